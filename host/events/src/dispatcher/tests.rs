//! The dispatcher in a world whose time the test moves.

mod fairness;
mod joined;
mod random_worlds;
mod retries;
mod simulation;
mod subscriptions;
