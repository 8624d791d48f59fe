//! The HTML report: structure, safety, size.

use overdraft_model::verdict::Verdict;
use overdraft_reports::html;

use crate::support;

/// Tags that stand alone.
const VOID: [&str; 4] = ["meta", "br", "!DOCTYPE", "hr"];

/// Tags of a page in order: name and attributes. Fails on markup that does not nest.
fn tags(page: &str) -> Vec<(String, String)> {
    let mut open: Vec<String> = Vec::new();
    let mut tags = Vec::new();
    for piece in page.split('<').skip(1) {
        let (tag, _) = piece.split_once('>').unwrap();
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(closed));
            continue;
        }
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        if !VOID.contains(&name) && !tag.ends_with('/') {
            open.push(name.to_owned());
        }
        tags.push((name.to_owned(), attributes.to_owned()));
    }
    assert!(open.is_empty(), "never closed: {open:?}");
    tags
}

fn samples() -> Vec<Verdict> {
    vec![
        support::valid(),
        support::invalid(),
        support::unknown(),
        support::skipped(),
        support::realistic(),
        support::hostile(),
    ]
}

fn page(verdict: &Verdict) -> String {
    html(verdict, Some(&support::baseline()))
}

#[test]
fn nothing_is_fetched_and_nothing_runs() {
    for verdict in samples() {
        let page = page(&verdict);
        for (name, attributes) in tags(&page) {
            assert!(
                !["script", "link", "img", "iframe", "object", "embed", "base", "form"].contains(&name.as_str()),
                "{name}"
            );
            assert!(!attributes.contains("src="), "{name} {attributes}");
            assert!(!attributes.contains("href=") || attributes.contains("href=\"#"), "{name} {attributes}");
            assert!(!attributes.split(' ').any(|attribute| attribute.starts_with("on")), "{name} {attributes}");
        }
        let style = page.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
        assert!(!style.contains("url(") && !style.contains("@import"));
    }
}

#[test]
fn control_characters_never_arrive() {
    let page = page(&support::hostile());
    assert_eq!(page.chars().find(|c| c.is_control() && *c != '\n'), None);
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
}

#[test]
fn headings_go_down_one_step_at_a_time() {
    for verdict in samples() {
        let mut last = 0;
        for (name, _) in tags(&page(&verdict)) {
            let Some(level) = name.strip_prefix('h').and_then(|level| level.parse::<u32>().ok()) else { continue };
            assert!(level <= last + 1, "h{last} is followed by h{level}");
            last = level;
        }
    }
}

#[test]
fn pictures_and_tables_can_be_heard() {
    let all = tags(&page(&support::realistic()));
    for (name, attributes) in &all {
        match name.as_str() {
            "html" => assert!(attributes.contains("lang=\"en\"")),
            "th" => assert!(attributes.contains("scope="), "{attributes}"),
            "svg" => {
                assert!(attributes.contains("aria-labelledby=") || attributes.contains("aria-hidden="), "{attributes}")
            }
            _ => {}
        }
    }
    let count = |wanted: &str| all.iter().filter(|(name, _)| name == wanted).count();
    let pictures = all.iter().filter(|(name, attributes)| name == "svg" && attributes.contains("role=\"img\"")).count();
    assert_eq!(pictures, count("desc"));
    assert!(pictures >= 6, "{pictures}");
}

#[test]
fn names_are_given_once() {
    let page = page(&support::realistic());
    let mut ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all);
    for target in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(ids.contains(&target), "{target}");
    }
}

#[test]
fn the_answer_comes_first_and_in_words() {
    for (verdict, word) in
        [(support::valid(), "Valid"), (support::invalid(), "Invalid"), (support::unknown(), "Unknown")]
    {
        let page = html(&verdict, None);
        let band = page.split_once("<h1>").unwrap().1.split_once("</header>").unwrap().0;
        assert!(band.contains(word) && band.contains(&verdict.cause) && band.contains("Exit code"), "{band}");
        assert!(page.contains(&verdict.provenance.replay));
        assert!(!page.contains("Against the baseline"));
    }
}

#[test]
fn a_zero_that_was_not_tried_is_not_good_news() {
    assert!(html(&support::unknown(), None).contains("not proven"));
    assert!(!html(&support::valid(), None).contains("not proven"));
}

#[test]
fn a_baseline_is_compared_with_its_rule() {
    let page = page(&support::realistic());
    for text in ["Against the baseline", "within noise", "worse", "another configuration", "10 %"] {
        assert!(page.contains(text), "{text}");
    }
}

#[test]
fn stays_below_two_mebibytes_and_says_what_is_missing() {
    for verdict in [support::huge(5, 10, 20), support::huge(60, 30, 1)] {
        let page = page(&verdict);
        tags(&page);
        assert!(page.len() < 2 * 1024 * 1024, "{} bytes", page.len());
        assert!(page.contains("in verdict.json"));
    }
}

#[test]
fn equal_verdicts_give_equal_bytes() {
    assert_eq!(page(&support::realistic()), page(&support::realistic()));
}
