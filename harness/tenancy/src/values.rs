//! Values for a column that nobody has filled yet: fresh ones, and others to try when a check refuses them.

use crate::{
    catalogue::{Check, Column},
    sql::{literal, quoted_texts},
};

/// A value that no other row has, as SQL. `number` makes it fresh; nothing here is random.
pub(crate) fn fresh(column: &Column, number: u32) -> Option<String> {
    let base = column.base.as_str();
    if let Some(labels) = &column.labels {
        let label = labels.get(number as usize % labels.len().max(1))?;
        return Some(typed(label, &column.of_type));
    }
    if column.array {
        return Some(typed("{}", &column.of_type));
    }
    let text = match base {
        "uuid" => format!("0d000000-0000-4000-8000-{number:012x}"),
        "bigint" => (9_000_000_000_000_u64 + u64::from(number)).to_string(),
        "integer" => (1_900_000_000 + number).to_string(),
        "smallint" => (30_000 + number % 2_000).to_string(),
        "numeric" | "real" | "double precision" | "money" => (100 + number).to_string(),
        "boolean" => "true".into(),
        "bytea" => format!("\\x{number:064x}"),
        "json" | "jsonb" => "{}".into(),
        "date" => format!("2026-01-{:02}", 1 + number % 28),
        "timestamp with time zone" | "timestamp without time zone" => {
            format!("2026-01-{:02} 00:{:02}:{:02}", 1 + number / 3_600 % 28, number / 60 % 60, number % 60)
        }
        "time without time zone" | "time with time zone" => format!("00:{:02}:{:02}", number / 60 % 60, number % 60),
        "interval" => format!("{} seconds", number + 1),
        "inet" | "cidr" => format!("10.{}.{}.{}", number >> 16 & 255, number >> 8 & 255, number & 255),
        "tsvector" => String::new(),
        "text" | "character varying" | "character" | "name" | "citext" | "\"char\"" => {
            return Some(short(column, number));
        }
        _ => return None,
    };
    Some(typed(&text, &column.of_type))
}

/// Texts keep to the length that their type allows.
fn short(column: &Column, number: u32) -> String {
    let length = column.of_type.split(['(', ')']).nth(1).and_then(|text| text.parse::<usize>().ok());
    let text = if column.name.contains("email") {
        format!("overdraft-{number}@example.test")
    } else {
        format!("overdraft-{number}")
    };
    let text = match length {
        Some(length) if length < text.len() => {
            let digits = format!("{number:0length$}");
            digits[digits.len() - length..].to_owned()
        }
        _ => text,
    };
    typed(&text, &column.of_type)
}

/// Other values to try in turn, for the checks that a column is under.
pub(crate) fn others(column: &Column, checks: &[&Check], number: u32) -> Vec<String> {
    let mut values: Vec<String> = Vec::new();
    // Under a list of allowed values of its own a column takes one of them, and nothing else.
    if let Some(list) = allowed(column, checks) {
        values.extend(list.iter().map(|text| typed(text, &column.of_type)));
        if !column.required {
            values.push("NULL".into());
        }
        return values;
    }
    let text = matches!(column.base.as_str(), "text" | "character varying" | "character" | "citext");
    for check in checks.iter().filter(|check| text && check.columns.contains(&column.number)) {
        values.extend(quoted_texts(&check.definition).iter().map(|text| typed(text, &column.of_type)));
    }
    values.extend(fresh(column, number));
    let fixed: &[&str] = match column.base.as_str() {
        "text" | "character varying" | "citext" => &["https://example.test/", "a", "EUR", "eur", "+15550100", ""],
        "bigint" | "integer" | "smallint" => &["1", "0", "10", "100", "-1"],
        "numeric" | "real" | "double precision" => &["1", "0.5", "0", "-1"],
        "boolean" => &["false"],
        "json" | "jsonb" => &["[]"],
        "timestamp with time zone" | "timestamp without time zone" | "date" => &["2099-01-01", "2000-01-01"],
        "bytea" => &["\\x00000000000000000000000000000000", "\\x"],
        _ => &[],
    };
    values.extend(fixed.iter().map(|text| typed(text, &column.of_type)));
    if !column.required {
        values.push("NULL".into());
    }
    values
}

/// The values that a check of this column alone lists, if one does.
pub(crate) fn allowed(column: &Column, checks: &[&Check]) -> Option<Vec<String>> {
    let own = checks.iter().find(|check| check.columns == [column.number] && check.definition.contains("= ANY"))?;
    Some(quoted_texts(&own.definition)).filter(|texts| !texts.is_empty())
}

fn typed(text: &str, of_type: &str) -> String {
    format!("{}::{of_type}", literal(text))
}
