//! Whose row it is: by the tenant column, or through a foreign key to a table that has it.

use std::collections::BTreeMap;

use crate::{
    catalogue::{Catalogue, ForeignKey, Relation},
    sql::{ident, literal},
};

/// How many foreign keys lead to the tenant at most.
const DEPTH: usize = 4;

/// How a row of one relation is told to belong to a tenant.
#[derive(Debug, Clone)]
pub(crate) enum Belongs {
    /// By this column.
    Column(i16),
    /// By the row that this foreign key refers to.
    Through(ForeignKey),
}

/// For every relation that has tenants.
#[derive(Debug, Clone, Default)]
pub(crate) struct Belongings {
    of: BTreeMap<i64, Belongs>,
    /// The table of the tenants themselves, if there is one.
    pub(crate) root: Option<i64>,
}

impl Belongings {
    pub(crate) fn find(catalogue: &Catalogue, column: &str) -> Self {
        let mut found = Self::default();
        for relation in &catalogue.relations {
            if let Some(column) = relation.named(column).filter(|_| relation.kind != "S") {
                found.of.insert(relation.oid, Belongs::Column(column.number));
            }
        }
        found.find_root(catalogue);
        for _ in 0..DEPTH {
            let mut more = Vec::new();
            for key in &catalogue.foreign_keys {
                let Some(child) = catalogue.relation(key.child) else { continue };
                let required = key.columns.iter().all(|n| child.column(*n).is_some_and(|column| column.required));
                let known = found.of.contains_key(&key.child) || more.iter().any(|(oid, _)| *oid == key.child);
                // The tenant's own table says nothing: it is referred to for other reasons too.
                if !known && required && found.of.contains_key(&key.parent) && found.root != Some(key.parent) {
                    more.push((key.child, Belongs::Through(key.clone())));
                }
            }
            if more.is_empty() {
                break;
            }
            found.of.extend(more);
        }
        found
    }

    /// The table that most tenant columns refer to by themselves.
    fn find_root(&mut self, catalogue: &Catalogue) {
        let mut votes: BTreeMap<(i64, i16), usize> = BTreeMap::new();
        for key in &catalogue.foreign_keys {
            if let ([column], Some(Belongs::Column(tenant))) = (key.columns.as_slice(), self.of.get(&key.child))
                && column == tenant
                && let [refers] = key.refers.as_slice()
            {
                *votes.entry((key.parent, *refers)).or_default() += 1;
            }
        }
        if let Some(((root, column), _)) = votes.into_iter().max_by_key(|(_, votes)| *votes)
            && !self.of.contains_key(&root)
        {
            self.of.insert(root, Belongs::Column(column));
            self.root = Some(root);
        }
    }

    pub(crate) fn of(&self, relation: &Relation) -> Option<&Belongs> {
        self.of.get(&relation.oid)
    }

    /// The tenant column, if it has one itself.
    pub(crate) fn column(&self, relation: &Relation) -> Option<i16> {
        match self.of(relation) {
            Some(Belongs::Column(number)) => Some(*number),
            _ => None,
        }
    }

    /// As reports print it.
    pub(crate) fn say(&self, catalogue: &Catalogue, relation: &Relation) -> Option<String> {
        match self.of(relation)? {
            Belongs::Column(number) => relation.column(*number).map(|column| column.name.clone()),
            Belongs::Through(key) => {
                let names: Vec<&str> =
                    key.columns.iter().filter_map(|n| relation.column(*n)).map(|column| column.name.as_str()).collect();
                let parent = catalogue.relation(key.parent)?;
                Some(format!("{} -> {}.{}", names.join(", "), parent.label(), self.say(catalogue, parent)?))
            }
        }
    }

    /// A condition: the row `alias` belongs to the tenant. None for a relation without tenants.
    pub(crate) fn condition(
        &self,
        catalogue: &Catalogue,
        relation: &Relation,
        alias: &str,
        tenant: &str,
    ) -> Option<String> {
        match self.of(relation)? {
            Belongs::Column(number) => {
                let column = relation.column(*number)?;
                Some(format!("{alias}.{} = {}", ident(&column.name), literal(tenant)))
            }
            Belongs::Through(key) => {
                let parent = catalogue.relation(key.parent)?;
                let upper = format!("{alias}p");
                let mut joined = Vec::new();
                for (own, refers) in key.columns.iter().zip(&key.refers) {
                    let (own, refers) = (relation.column(*own)?, parent.column(*refers)?);
                    joined.push(format!("{alias}.{} = {upper}.{}", ident(&own.name), ident(&refers.name)));
                }
                let condition = self.condition(catalogue, parent, &upper, tenant)?;
                let joined = joined.join(" AND ");
                Some(format!("EXISTS (SELECT 1 FROM {} {upper} WHERE {joined} AND {condition})", parent.sql()))
            }
        }
    }

    /// Whether a foreign key ties the tenants of both ends together, or is the reference to the tenant itself.
    pub(crate) fn ties(&self, catalogue: &Catalogue, key: &ForeignKey) -> bool {
        let (Some(child), Some(parent)) = (catalogue.relation(key.child), catalogue.relation(key.parent)) else {
            return false;
        };
        let pair = (self.column(child), self.column(parent));
        key.columns.len() == 1
            && key.columns.iter().zip(&key.refers).any(|(own, refers)| pair == (Some(*own), Some(*refers)))
    }
}
