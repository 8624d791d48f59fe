//! The back office in a real browser: an admin logs in, sees a dead letter, retries it, and sees it gone.

use crate::admin_api::dead_letters;
use crate::browser::Browser;
use crate::staff::{PASSWORD, member};
use crate::world::World;

/// Where pictures of the pages go, if somebody wants to look at them.
const PICTURES: &str = "OVERDRAFT_PICTURES";

/// A test that cannot run here is a printed skip on a person's machine, and a failure in CI.
#[expect(clippy::print_stderr, reason = "a skip must be seen")]
fn skip(reason: &str) {
    assert!(std::env::var_os("OVERDRAFT_NO_SKIPS").is_none(), "skips are failures here: {reason}");
    eprintln!("skipped: {reason}");
}

/// Keeps a picture, in Base64 as the browser gave it, if `OVERDRAFT_PICTURES` names a folder.
async fn picture(browser: &Browser, name: &str) {
    if let Some(folder) = std::env::var_os(PICTURES) {
        let path = std::path::Path::new(&folder).join(format!("{name}.png.base64"));
        std::fs::write(path, browser.picture().await).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_sees_a_dead_letter_retries_it_and_sees_it_gone() {
    let browser = match Browser::start().await {
        Ok(browser) => browser,
        Err(reason) => return skip(&reason),
    };
    let world = World::start(None).await;
    let email = member(&world, "admin").await;
    let (partner, buyer) = (world.tenant("partner", 0).await, world.tenant("buyer", 4_000).await);
    for n in 0..6 {
        let lead = world.lead(&partner, 100 + n, 5).await;
        assert_eq!(world.buy(0, &buyer, &format!("k{n}"), &[lead]).await.0, 201);
    }
    world.as_owner("UPDATE commissions SET amount = amount + 3 WHERE amount = 21").await;
    dead_letters(&world, 2).await;

    // Asked for a page, the browser comes to the log-in and from there to the page.
    browser.open(&format!("{}/admin/dead-letters", world.address(0))).await;
    picture(&browser, "login").await;
    browser.type_into("#email", &email).await;
    browser.type_into("#password", PASSWORD).await;
    browser.click("main button[type=submit]").await;
    assert_eq!(browser.text("h1").await, "Dead letters");
    let table = browser.text("main table").await;
    assert!(table.contains("evt_dead_1") && table.contains("evt_dead_2"), "{table}");

    // On a phone nothing is beyond the edge of the screen.
    for (name, path) in [
        ("overview", ""),
        ("dead-letters", "/dead-letters"),
        ("purchases", "/purchases"),
        ("credits", "/credits"),
        ("confirm", &format!("/credits/confirm?workspace_id={}&credits=-25&reason=A%20correction", buyer.workspace)),
        ("jobs", "/jobs"),
        ("commissions", "/commissions"),
        ("audit", "/audit"),
    ] {
        browser.resize(1_280, 900).await;
        browser.open(&format!("{}/admin{path}", world.address(0))).await;
        picture(&browser, &format!("{name}-desktop")).await;
        // Chromium's window is not narrower than 500; that is below where the pages change their layout.
        browser.resize(500, 900).await;
        let (window, page) = browser.widths().await;
        assert!(page <= window, "{name}: {page} pixels in a window of {window}");
        picture(&browser, &format!("{name}-phone")).await;
    }

    browser.open(&format!("{}/admin/dead-letters", world.address(0))).await;
    browser.click("button[aria-label='Retry webhook evt_dead_1']").await;
    assert_eq!(browser.text(".notice").await, "1 dead letter is queued again.");
    let table = browser.text("main table").await;
    assert!(!table.contains("evt_dead_1") && table.contains("evt_dead_2"), "{table}");
    world.until_quiet().await;
    let processed = "SELECT count(*) FROM webhook_events WHERE event_id = 'evt_dead_1' AND state = 'ignored'";
    assert_eq!(world.count(processed).await, 1, "the worker took it up");

    browser.click("form[action='/admin/logout'] button").await;
    assert_eq!(browser.text("h1").await, "Log in");
    browser.quit().await;
    world.end().await;
}
