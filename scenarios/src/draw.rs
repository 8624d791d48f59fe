//! Everything that is drawn comes from here: generators named by seed and purpose, and the world's values.

use overdraft_model::manifest::{Lead, Workspace, World};
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A generator for one purpose: the same seed and purpose give the same numbers, whatever else is drawn.
pub(crate) fn generator(seed: u64, purpose: &[&str]) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    for part in purpose {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    ChaCha8Rng::from_seed(hash.finalize().into())
}

/// Builds a scenario's world, drawing ids and tokens.
#[derive(Debug)]
pub(crate) struct WorldBuilder {
    rng: ChaCha8Rng,
    world: World,
    /// Whether rate limits are to apply to the workspaces that follow.
    limited: bool,
}

impl WorldBuilder {
    pub(crate) fn new(seed: u64, scenario: &str) -> Self {
        let mut builder = Self { rng: generator(seed, &[scenario, "world"]), world: World::default(), limited: false };
        let admin = [
            ("id".to_owned(), Value::from(builder.id())),
            ("token".to_owned(), Value::from(format!("ovd_{}", builder.id()))),
            ("email".to_owned(), Value::from("admin@example.test")),
        ];
        builder.world.admin = admin.into();
        builder
    }

    pub(crate) fn partner(&mut self, name: &str) {
        self.workspace(name, "partner", 0);
    }

    pub(crate) fn buyer(&mut self, name: &str, credits: i64) {
        self.workspace(name, "buyer", credits);
    }

    /// So many customers, with so many credits each; their names.
    pub(crate) fn buyers(&mut self, count: usize, credits: i64) -> Vec<String> {
        let names: Vec<String> = (1..=count).map(|n| format!("buyer-{n:03}")).collect();
        names.iter().for_each(|name| self.buyer(name, credits));
        names
    }

    /// Rate limits apply to the workspaces that follow.
    pub(crate) fn limited(&mut self, limited: bool) {
        self.limited = limited;
    }

    pub(crate) fn workspace(&mut self, name: &str, role: &str, credits: i64) {
        let values = [
            ("id".to_owned(), Value::from(self.id())),
            ("token".to_owned(), Value::from(format!("ovd_{}", self.id()))),
            ("email".to_owned(), Value::from(format!("{name}@example.test"))),
            ("limited".to_owned(), Value::from(self.limited.to_string())),
        ];
        self.world.workspaces.push(Workspace {
            name: name.to_owned(),
            role: role.to_owned(),
            credits,
            values: values.into(),
        });
    }

    pub(crate) fn lead(&mut self, name: &str, partner: &str, price: i64, max_sales: i64) {
        let values = [("id".to_owned(), Value::from(self.id()))].into();
        let partner = partner.to_owned();
        self.world.leads.push(Lead { name: name.to_owned(), partner, price, max_sales, values });
    }

    pub(crate) fn finish(self) -> World {
        self.world
    }

    fn id(&mut self) -> String {
        let mut bytes = [0; 16];
        self.rng.fill_bytes(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }
}

/// True for a share of the draws.
pub(crate) fn chance(rng: &mut ChaCha8Rng, share: f64) -> bool {
    rng.random::<f64>() < share
}
