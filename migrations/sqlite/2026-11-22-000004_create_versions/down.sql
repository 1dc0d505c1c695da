DROP TABLE choices;
DROP TABLE versions;
