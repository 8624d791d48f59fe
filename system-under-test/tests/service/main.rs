//! The service as its clients meet it: two instances over one database, driven over HTTP.

mod admin_api;
mod admin_browser;
mod admin_pages;
mod admin_statements;
mod audit;
mod browser;
mod campaigns;
mod credits;
mod defects;
mod document;
mod isolation;
mod jobs;
mod jobs_general;
mod limits;
mod machine;
mod onboarding;
mod orders;
mod payments;
mod purchases;
mod reversals;
mod signatures;
mod staff;
mod stub;
#[path = "../support/mod.rs"]
mod support;
mod tenancy;
mod world;
