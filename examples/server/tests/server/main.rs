//! The service from outside: over HTTP, over each store, through crashes, on a screen.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking"
)]

mod admin;
mod admin_page;
mod api_keys;
mod backends;
mod backup;
mod brand;
mod browser;
mod careful;
mod check;
mod client;
mod clients;
mod compact;
mod config;
mod counters;
mod crash;
mod demo;
mod disk;
mod factory_keys;
mod faults;
mod flags;
mod formats;
mod health;
mod history;
mod http;
mod https;
mod import;
mod import_command;
mod install;
mod invalid_keys;
mod limits;
mod log;
mod monitoring;
mod moving;
mod moving_boltcard;
mod moving_sdm_backend;
mod opening;
mod operator;
mod otlp;
mod page;
mod partial;
mod planted;
mod postgres;
mod rechecks;
mod redis;
mod reload;
mod reseal;
mod risk;
mod rotation;
mod sample;
mod screens;
mod secrets;
mod secure_page;
mod sharded;
mod signals;
mod signed;
mod states;
mod stores;
mod systemd;
mod tags;
mod tap;
mod terminal;
mod tls;
mod tokens;
mod two_taps;
mod unnamed;
mod v1;
mod views;
mod visitors;
mod webhooks;
