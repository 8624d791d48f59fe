//! Every format against the same sample verdicts: what it says, what it must never carry, how big it gets.

mod support;

mod console;
mod html;
mod json;
mod junit;
mod markdown;
mod proof;
