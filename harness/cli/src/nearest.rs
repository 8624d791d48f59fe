//! For a name that does not exist: the nearest ones that do.

/// A sentence that names what was meant, or everything there is.
pub(crate) fn suggest(what: &str, wanted: &str, known: &[&str]) -> String {
    let mut near: Vec<(&str, f64)> = known
        .iter()
        .map(|name| (*name, strsim::jaro_winkler(wanted, name)))
        .filter(|(_, score)| *score > 0.75)
        .collect();
    near.sort_by(|a, b| b.1.total_cmp(&a.1));
    let names = |names: &[&str]| names.join(", ");
    if near.is_empty() {
        return format!("no {what} `{wanted}`; there are: {}", names(known));
    }
    let near: Vec<&str> = near.into_iter().take(3).map(|(name, _)| name).collect();
    format!("no {what} `{wanted}`; did you mean {}?", near.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_come_first_and_nonsense_gets_the_list() {
        let known = ["flash-sale", "wallet-drain", "double-click"];
        assert_eq!(suggest("scenario", "flahs-sale", &known), "no scenario `flahs-sale`; did you mean flash-sale?");
        assert!(suggest("scenario", "xyz", &known).ends_with("there are: flash-sale, wallet-drain, double-click"));
    }
}
