DROP TABLE role_holders;
DROP TABLE users;
