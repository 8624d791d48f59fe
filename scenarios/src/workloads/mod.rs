//! The workloads: each draws a world and one script per user. Pure.

pub(crate) mod double_click;
pub(crate) mod email_outage;
pub(crate) mod flash_sale;
pub(crate) mod market;
pub(crate) mod pair_offsets;
pub(crate) mod wallet_drain;
pub(crate) mod webhook_storm;

use overdraft_model::operation::Operation;

/// A purchase of one lead.
fn buy(workspace: &str, lead: &str, key: String) -> Operation {
    Operation::Purchase { workspace: workspace.to_owned(), leads: vec![lead.to_owned()], key }
}

fn read_balance(workspace: &str) -> Operation {
    Operation::ReadBalance { workspace: workspace.to_owned() }
}

fn read_lead(workspace: &str, lead: &str) -> Operation {
    Operation::ReadLead { workspace: workspace.to_owned(), lead: lead.to_owned() }
}
