//! The catalogue as values: every relation, policy, key, function and role that is not PostgreSQL's own.

use serde::Deserialize;

use crate::{Error, sql::ident, stage::Stage};

/// A table, partition, view, materialized view, foreign table or sequence.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Relation {
    pub(crate) oid: i64,
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) secured: bool,
    pub(crate) forced: bool,
    pub(crate) partition: bool,
    pub(crate) owner: String,
    /// Whether the owner skips policies whatever the table says.
    pub(crate) owner_unbound: bool,
    pub(crate) options: String,
    pub(crate) bound: Option<String>,
    pub(crate) parent: Option<i64>,
    pub(crate) columns: Vec<Column>,
    /// Names of the columns of the partition key.
    pub(crate) partition_key: Vec<String>,
}

/// A column.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Column {
    pub(crate) number: i16,
    pub(crate) name: String,
    pub(crate) of_type: String,
    /// The type under a domain.
    pub(crate) base: String,
    pub(crate) required: bool,
    pub(crate) defaults: bool,
    pub(crate) generated: bool,
    /// An identity that no UPDATE may set.
    pub(crate) fixed: bool,
    pub(crate) labels: Option<Vec<String>>,
    pub(crate) array: bool,
}

/// A foreign key; columns in pairs.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ForeignKey {
    pub(crate) name: String,
    pub(crate) child: i64,
    pub(crate) columns: Vec<i16>,
    pub(crate) parent: i64,
    pub(crate) refers: Vec<i16>,
    pub(crate) on_delete: String,
}

/// A unique index on plain columns.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Unique {
    pub(crate) name: String,
    pub(crate) relation: i64,
    pub(crate) columns: Vec<i16>,
    pub(crate) partial: bool,
}

/// A check constraint.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) relation: i64,
    pub(crate) columns: Vec<i16>,
    pub(crate) definition: String,
}

/// A policy.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Policy {
    pub(crate) name: String,
    pub(crate) relation: i64,
    /// `*` all, `r` select, `a` insert, `w` update, `d` delete.
    pub(crate) command: String,
    pub(crate) permissive: bool,
    /// Empty: PUBLIC.
    pub(crate) roles: Vec<String>,
    pub(crate) using: Option<String>,
    pub(crate) check: Option<String>,
    /// Columns of the table that it reads.
    pub(crate) reads: Vec<i16>,
}

/// A function of the users' own.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Function {
    pub(crate) oid: i64,
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) types: Vec<String>,
    pub(crate) definer: bool,
    pub(crate) callable: bool,
    pub(crate) source: String,
}

/// A role.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RoleRow {
    pub(crate) name: String,
    pub(crate) superuser: bool,
    pub(crate) bypasses: bool,
    pub(crate) logs_in: bool,
    /// Whether a grant on some relation names it.
    pub(crate) granted: bool,
    /// Roles it can become.
    pub(crate) becomes: Vec<String>,
}

/// All of it.
#[derive(Debug, Clone)]
pub(crate) struct Catalogue {
    pub(crate) relations: Vec<Relation>,
    pub(crate) foreign_keys: Vec<ForeignKey>,
    pub(crate) uniques: Vec<Unique>,
    pub(crate) checks: Vec<Check>,
    pub(crate) policies: Vec<Policy>,
    pub(crate) functions: Vec<Function>,
    pub(crate) roles: Vec<RoleRow>,
    /// Settings of roles and databases, `name=value`.
    pub(crate) stored_settings: Vec<String>,
}

/// What is not PostgreSQL's own nor an extension's.
const OURS: &str = "n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' \
    AND NOT EXISTS (SELECT 1 FROM pg_depend e WHERE e.objid = x.oid AND e.deptype = 'e')";

impl Catalogue {
    pub(crate) async fn read(stage: &mut Stage<'_>) -> Result<Self, Error> {
        let relations = format!(
            "SELECT x.oid::bigint AS oid, n.nspname AS schema, x.relname AS name, x.relkind::text AS kind,
                x.relrowsecurity AS secured, x.relforcerowsecurity AS forced, x.relispartition AS partition,
                o.rolname AS owner, o.rolsuper OR o.rolbypassrls AS owner_unbound,
                coalesce(x.reloptions::text, '') AS options, pg_get_expr(x.relpartbound, x.oid) AS bound,
                (SELECT inhparent::bigint FROM pg_inherits WHERE inhrelid = x.oid ORDER BY inhseqno LIMIT 1) AS parent,
                ARRAY(SELECT k.attname FROM pg_partitioned_table p, unnest(p.partattrs::int2[]) WITH ORDINALITY u (n, i)
                      JOIN pg_attribute k ON k.attrelid = x.oid AND k.attnum = u.n
                      WHERE p.partrelid = x.oid ORDER BY u.i) AS partition_key,
                (SELECT coalesce(json_agg(json_build_object('number', a.attnum, 'name', a.attname,
                    'of_type', format_type(a.atttypid, a.atttypmod), 'required', a.attnotnull,
                    'base', format_type(coalesce(nullif(t.typbasetype, 0), t.oid), NULL),
                    'array', t.typcategory = 'A',
                    'defaults', a.atthasdef OR a.attidentity <> '', 'generated', a.attgenerated <> '',
                    'fixed', a.attidentity = 'a',
                    'labels', (SELECT json_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum
                               WHERE enumtypid = coalesce(nullif(t.typbasetype, 0), t.oid)))
                    ORDER BY a.attnum), '[]')
                 FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
                 WHERE a.attrelid = x.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
             FROM pg_class x JOIN pg_namespace n ON n.oid = x.relnamespace JOIN pg_roles o ON o.oid = x.relowner
             WHERE x.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND {OURS} ORDER BY n.nspname <> 'public', 2, 3"
        );
        let functions = format!(
            "SELECT x.oid::bigint AS oid, n.nspname AS schema, x.proname AS name,
                x.prosecdef AS definer,
                ARRAY(SELECT format_type(u.t, NULL) FROM unnest(x.proargtypes::oid[]) WITH ORDINALITY u (t, i)
                      ORDER BY u.i) AS types,
                x.prokind = 'f' AND x.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype) AS callable,
                pg_get_functiondef(x.oid) AS source
             FROM pg_proc x JOIN pg_namespace n ON n.oid = x.pronamespace
             WHERE x.prokind IN ('f', 'p') AND {OURS} ORDER BY n.nspname <> 'public', 2, 3, x.proargtypes::text"
        );
        let checks = "SELECT conname AS name, conrelid::bigint AS relation, coalesce(conkey, '{}') AS columns,
             pg_get_constraintdef(oid) AS definition FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0
             ORDER BY 2, 1";
        let foreign_keys = "SELECT conname AS name, conrelid::bigint AS child, conkey AS columns,
             confrelid::bigint AS parent, confkey AS refers, confdeltype::text AS on_delete
             FROM pg_constraint WHERE contype = 'f' AND conparentid = 0 ORDER BY conrelid::regclass::text, 1";
        let uniques = "SELECT i.indexrelid::regclass::text AS name, i.indrelid::bigint AS relation,
             (SELECT array_agg(k ORDER BY o) FROM unnest(i.indkey::int2[]) WITH ORDINALITY u (k, o)
              WHERE o <= i.indnkeyatts) AS columns, i.indpred IS NOT NULL AS partial
             FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE i.indisunique AND i.indexprs IS NULL AND n.nspname !~ '^pg_' ORDER BY 1";
        let policies = "SELECT polname AS name, polrelid::bigint AS relation, polcmd::text AS command,
             polpermissive AS permissive,
             ARRAY(SELECT rolname FROM pg_roles WHERE oid = ANY (polroles) ORDER BY 1) AS roles,
             pg_get_expr(polqual, polrelid) AS using, pg_get_expr(polwithcheck, polrelid) AS check,
             ARRAY(SELECT DISTINCT refobjsubid::int2 FROM pg_depend WHERE classid = 'pg_policy'::regclass
                   AND objid = p.oid AND refobjid = polrelid AND refobjsubid > 0) AS reads
             FROM pg_policy p ORDER BY 2, 1";
        let roles = "SELECT r.rolname AS name, r.rolsuper AS superuser, r.rolbypassrls AS bypasses,
             r.rolcanlogin AS logs_in,
             EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) g
                     WHERE (g.grantee = r.oid OR g.grantee = 0) AND g.grantee <> c.relowner AND n.nspname !~ '^pg_'
                     AND n.nspname <> 'information_schema' AND c.relkind IN ('r', 'p', 'v', 'm'))
             OR EXISTS (SELECT 1 FROM pg_attribute a, aclexplode(a.attacl) g WHERE g.grantee = r.oid) AS granted,
             ARRAY(SELECT m.rolname FROM pg_roles m WHERE m.oid <> r.oid AND NOT r.rolsuper
                   AND pg_has_role(r.oid, m.oid, 'MEMBER') ORDER BY 1) AS becomes
             FROM pg_roles r WHERE r.rolname !~ '^pg_' ORDER BY 1";
        Ok(Self {
            relations: stage.rows(&relations).await?,
            foreign_keys: stage.rows(foreign_keys).await?,
            uniques: stage.rows(uniques).await?,
            checks: stage.rows(checks).await?,
            policies: stage.rows(policies).await?,
            functions: stage.rows(&functions).await?,
            roles: stage.rows(roles).await?,
            stored_settings: stage
                .rows::<String>(
                    "SELECT unnest(setconfig) FROM pg_db_role_setting WHERE setdatabase IN (0,
                     (SELECT oid FROM pg_database WHERE datname = current_database())) ORDER BY 1",
                )
                .await?,
        })
    }

    pub(crate) fn relation(&self, oid: i64) -> Option<&Relation> {
        self.relations.iter().find(|relation| relation.oid == oid)
    }

    pub(crate) fn role(&self, name: &str) -> Option<&RoleRow> {
        self.roles.iter().find(|role| role.name == name)
    }

    /// The policies that bind a role on a relation.
    pub(crate) fn policies_of<'a>(
        &'a self,
        relation: &Relation,
        role: &'a RoleRow,
    ) -> impl Iterator<Item = &'a Policy> {
        let oid = relation.oid;
        self.policies.iter().filter(move |policy| policy.relation == oid && policy.binds(role))
    }
}

impl Relation {
    /// Its name as reports print it.
    pub(crate) fn label(&self) -> String {
        label(&self.schema, &self.name)
    }

    /// Its name in SQL.
    pub(crate) fn sql(&self) -> String {
        format!("{}.{}", ident(&self.schema), ident(&self.name))
    }

    pub(crate) fn column(&self, number: i16) -> Option<&Column> {
        self.columns.iter().find(|column| column.number == number)
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Whether it holds rows of its own that can be written.
    pub(crate) fn is_table(&self) -> bool {
        matches!(self.kind.as_str(), "r" | "p")
    }

    pub(crate) fn kind_word(&self) -> &'static str {
        match (self.kind.as_str(), self.partition) {
            (_, true) => "partition",
            ("r", _) => "table",
            ("p", _) => "partitioned table",
            ("v", _) => "view",
            ("m", _) => "materialized view",
            ("f", _) => "foreign table",
            _ => "sequence",
        }
    }
}

impl Policy {
    pub(crate) fn binds(&self, role: &RoleRow) -> bool {
        self.roles.is_empty() || self.roles.iter().any(|name| *name == role.name || role.becomes.contains(name))
    }

    /// Whether it confines nobody.
    pub(crate) fn is_open(&self) -> bool {
        self.using.as_deref().is_none_or(|using| using == "true")
            && self.check.as_deref().is_none_or(|check| check == "true")
    }

    /// As reports print it.
    pub(crate) fn say(&self) -> String {
        let command = match self.command.as_str() {
            "r" => "select",
            "a" => "insert",
            "w" => "update",
            "d" => "delete",
            _ => "all",
        };
        let to = if self.roles.is_empty() { "public".to_owned() } else { self.roles.join(", ") };
        let kind = if self.permissive { "" } else { " (restrictive)" };
        let using = self.using.as_ref().map(|text| format!(" using {text}")).unwrap_or_default();
        let check = self.check.as_ref().map(|text| format!(" check {text}")).unwrap_or_default();
        format!("{}{kind}: {command} to {to}{using}{check}", self.name)
    }
}

impl Function {
    /// Its name as reports print it.
    pub(crate) fn label(&self) -> String {
        format!("{}({})", label(&self.schema, &self.name), self.types.join(", "))
    }
}

fn label(schema: &str, name: &str) -> String {
    if schema == "public" { name.to_owned() } else { format!("{schema}.{name}") }
}
