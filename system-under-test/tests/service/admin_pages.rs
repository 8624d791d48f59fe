//! The pages of the back office: log-in, sessions, forms and roles.

use overdraft_reference::{Error, Secret, add_staff, disable_staff};
use reqwest::header;
use serde_json::{Value, json};

use crate::admin_api::dead_letters;
use crate::staff::{Browser, PASSWORD, ahead, member};
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_opens_a_session_that_is_replaced_left_and_worth_nothing_elsewhere() {
    let world = World::start(None).await;
    let email = member(&world, "admin").await;
    let mut browser = Browser::new(&world);
    let away = browser.get("/admin/purchases?kind=leads").await;
    assert_eq!(away.status(), 303);
    assert_eq!(away.headers()[header::LOCATION], "/admin/login?next=%2Fadmin%2Fpurchases%3Fkind%3Dleads");
    for (address, password) in [(email.as_str(), "wrong horse battery"), ("nobody@example.test", PASSWORD)] {
        let refused = browser.log_in(address, password).await;
        assert_eq!(refused.status(), 401);
        assert!(refused.text().await.unwrap().contains("There is nobody with this address and this password."));
    }
    let next = [("email", "ADMIN@example.test"), ("password", PASSWORD), ("next", "/admin/jobs")];
    let entered = browser.post("/admin/login", &next).await;
    assert_eq!(
        (entered.status().as_u16(), &entered.headers()[header::LOCATION]),
        (303, &"/admin/jobs".parse().unwrap())
    );
    let cookie = entered.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
    let (pair, flags) = cookie.split_once("; ").unwrap();
    assert_eq!(flags, "Path=/; HttpOnly; SameSite=Lax", "plain http cannot have Secure");
    let token = pair.strip_prefix("staff_session=").unwrap().to_owned();
    browser.cookie = pair.to_owned();

    let page = browser.get("/admin").await;
    let headers = page.headers().clone();
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
    ] {
        assert_eq!(headers[name], value);
    }
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    let text = page.text().await.unwrap();
    assert!(text.contains("admin@example.test") && !text.contains("<script") && !text.contains("style="), "{text}");

    // The database knows the token by a hash, and no API key is a token or the other way round.
    let known: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM staff_sessions WHERE encode(token_hash, 'hex') = $1 OR token_hash = sha256(convert_to($1, 'UTF8'))",
    )
    .bind(&token)
    .fetch_one(&world.operator)
    .await
    .unwrap();
    assert_eq!(known, 0);
    assert_eq!(world.get_as(&token, "/v1/admin/audit").await.0, 401);

    // Another log-in of this browser gets another session, and ends the first.
    let first = browser.cookie.clone();
    assert_eq!(browser.log_in(&email, PASSWORD).await.status(), 303);
    assert_ne!(browser.cookie, first);
    assert!(browser.is_logged_in().await);
    let second = std::mem::replace(&mut browser.cookie, first);
    assert!(!browser.is_logged_in().await, "the first session has ended");
    browser.cookie = second;
    let form_key = browser.hidden("/admin", "form_key").await;
    let left = browser.post("/admin/logout", &[("form_key", &form_key)]).await;
    assert_eq!((left.status().as_u16(), &left.headers()[header::LOCATION]), (303, &"/admin/login".parse().unwrap()));
    assert!(left.headers()[header::SET_COOKIE].to_str().unwrap().ends_with("; Max-Age=0"));
    assert!(!browser.is_logged_in().await, "the cookie is worth nothing, even if a browser kept it");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn log_ins_are_throttled_by_address_whether_it_is_known_or_not() {
    let world = World::start(None).await;
    let email = member(&world, "admin").await;
    let mut browser = Browser::new(&world);
    for address in [email.as_str(), "nobody@example.test"] {
        for _ in 0..5 {
            assert_eq!(browser.log_in(address, "wrong horse battery").await.status(), 401);
        }
        let refused = browser.log_in(address, PASSWORD).await;
        assert_eq!(refused.status(), 429, "the right password does not help");
        let wait: u64 = refused.headers()[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
        assert!(refused.text().await.unwrap().contains("Too many attempts"));
    }
    ahead(&world, 2).await;
    assert_eq!(browser.log_in(&email, PASSWORD).await.status(), 303);
    // Who knew the password may err again.
    for _ in 0..5 {
        assert_eq!(browser.log_in(&email, "wrong horse battery").await.status(), 401);
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_nobody_looks_and_after_a_day_s_work_however_busy() {
    let world = World::start(None).await;
    let browser = Browser::member(&world, "support").await;
    ahead(&world, 29).await;
    assert!(browser.is_logged_in().await);
    ahead(&world, 29 + 31).await;
    assert!(!browser.is_logged_in().await, "half an hour without a look");
    ahead(&world, 0).await;
    assert!(!browser.is_logged_in().await, "what has ended does not begin again when the clock goes back");

    let mut busy = Browser::new(&world);
    assert_eq!(busy.log_in("support@example.test", PASSWORD).await.status(), 303);
    for minutes in (25..480).step_by(25) {
        ahead(&world, minutes).await;
        assert!(busy.is_logged_in().await, "after {minutes} minutes");
    }
    ahead(&world, 481).await;
    assert!(!busy.is_logged_in().await, "eight hours");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_disabled_is_shut_out_at_once_by_every_door_and_may_be_let_in_again() {
    let world = World::start(None).await;
    let browser = Browser::member(&world, "admin").await;
    let (email, url) = ("leaver@example.test", world.url());
    let key = add_staff(&url, email, "support", Some(&Secret::new(PASSWORD))).await.unwrap();
    let mut leaver = Browser::new(&world);
    assert_eq!(leaver.log_in(email, PASSWORD).await.status(), 303);
    assert!(leaver.is_logged_in().await);

    disable_staff(&url, "Leaver@example.test", true).await.unwrap();
    assert!(!leaver.is_logged_in().await, "the session is over");
    assert_eq!(world.get_as(key.expose(), "/v1/admin/audit").await.0, 401);
    let refused = leaver.log_in(email, PASSWORD).await;
    assert_eq!(refused.status(), 401);
    assert!(refused.text().await.unwrap().contains("There is nobody with this address and this password."));
    // A log-in that had checked the password just before.
    let open = "SELECT open_session((SELECT id FROM staff WHERE email = 'leaver@example.test'), sha256('t'), NULL,
                                    interval '1 hour', now())";
    sqlx::query(open).execute(&mut world.owner().await).await.unwrap();
    let sessions = "SELECT count(*) FROM staff_sessions h JOIN staff s ON s.id = h.staff_id
                    WHERE s.disabled_at IS NOT NULL AND ended_at IS NULL";
    assert_eq!(world.count(sessions).await, 0);
    for who in [email, "nobody@example.test"] {
        let again = disable_staff(&url, who, true).await.unwrap_err();
        assert!(matches!(&again, Error::Staff(words) if words.contains(who)), "{again}");
    }
    assert!(browser.is_logged_in().await, "nobody else is");
    let audit = browser.page("/admin/audit").await;
    assert!(audit.contains("staff.disabled") && audit.contains("command line, as "), "{audit}");

    disable_staff(&url, email, false).await.unwrap();
    assert_eq!(world.get_as(key.expose(), "/v1/admin/audit").await.0, 200);
    assert!(!leaver.is_logged_in().await, "what is over stays over");
    assert_eq!(leaver.log_in(email, PASSWORD).await.status(), 303);
    assert!(leaver.is_logged_in().await);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_acts_only_for_its_own_session_and_origin_and_only_for_an_admin() {
    let world = World::start(None).await;
    let (admin, support) = (Browser::member(&world, "admin").await, Browser::member(&world, "support").await);
    let letters: Vec<String> = dead_letters(&world, 3).await.iter().map(ToString::to_string).collect();
    let (key, foreign) = (
        admin.hidden("/admin/dead-letters", "form_key").await,
        support.hidden("/admin/dead-letters", "form_key").await,
    );
    let retry = "/admin/dead-letters/retry";
    let with = |form_key: &'static str| vec![("id", letters[0].as_str()), ("form_key", form_key)];
    let base = admin.base.as_str();
    let right = [("id", letters[0].as_str()), ("form_key", key.as_str())];
    for (why, origin, fields) in [
        ("no key", base, vec![("id", letters[0].as_str())]),
        ("an empty key", base, with("")),
        ("a wrong key", base, with("0000000000000000000000000000000000000000000000000000000000000000")),
        ("another session's key", base, vec![("id", letters[0].as_str()), ("form_key", foreign.as_str())]),
        ("another origin", "https://evil.test", right.to_vec()),
        ("no origin", "", right.to_vec()),
        ("an opaque origin", "null", right.to_vec()),
    ] {
        let refused = admin.post_from(origin, retry, &fields).await;
        assert_eq!(refused.status(), 403, "{why}");
        let id = refused.headers()["x-request-id"].to_str().unwrap().to_owned();
        assert!(refused.headers()["content-type"].to_str().unwrap().starts_with("text/html"), "{why}");
        let words = refused.text().await.unwrap();
        assert!(words.contains("Nothing was done.") && words.contains(&id), "{why}: {words}");
    }
    let stranger = Browser::new(&world);
    assert_eq!(stranger.post(retry, &right).await.status(), 303, "to the log-in");

    // Support sees the letters, without buttons, and is refused by the page and by the database.
    let seen = support.page("/admin/dead-letters").await;
    assert!(seen.contains("evt_dead_1") && !seen.contains("Retry"), "{seen}");
    let refused = support.post(retry, &[("id", &letters[0]), ("form_key", &foreign)]).await;
    assert_eq!(refused.status(), 403);
    assert!(refused.text().await.unwrap().contains("Your role is support"));
    let token = support.cookie.strip_prefix("staff_session=").unwrap();
    let error = sqlx::query("SELECT retry_dead_letters(sha256('session\\000'::bytea || $1::bytea), '{}')")
        .bind(token.as_bytes())
        .execute(&world.app_role().await)
        .await
        .unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().unwrap(), "MK403");
    assert_eq!(world.count("SELECT count(*) FROM dead_letters WHERE resolved_at IS NULL").await, 3);

    // The admin retries one, then all that are shown; what came of it is told once.
    assert_eq!(admin.post(retry, &right).await.status(), 303);
    assert!(admin.page("/admin/dead-letters").await.contains("1 dead letter is queued again."));
    assert!(!admin.page("/admin/dead-letters").await.contains("queued again"));
    let mut all: Vec<(&str, &str)> = letters.iter().map(|id| ("id", id.as_str())).collect();
    all.push(("form_key", &key));
    assert_eq!(admin.post(retry, &all).await.status(), 303);
    let told = admin.page("/admin/dead-letters").await;
    assert!(told.contains("2 dead letters are queued again; 1 was already retried by somebody else."), "{told}");
    assert!(told.contains("No dead letters."));
    assert_eq!(world.count("SELECT count(*) FROM audit_log WHERE action = 'dead_letter.retried'").await, 3);
    world.until_quiet().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credits_are_adjusted_once_per_form_and_per_key_with_a_trail() {
    let world = World::start(None).await;
    let buyer = world.tenant("buyer", 40).await;
    world
        .as_owner(&format!("UPDATE workspaces SET name = '<b>Ampersand & Co</b>' WHERE id = '{}'", buyer.workspace))
        .await;
    let (admin, support) = (Browser::member(&world, "admin").await, Browser::member(&world, "support").await);
    let workspace = buyer.workspace.to_string();
    let confirm =
        |credits: &str| format!("/admin/credits/confirm?workspace_id={workspace}&credits={credits}&reason=sorry");
    let asked = admin.page(&confirm("25")).await;
    assert!(asked.contains("Give 25 credits?") && asked.contains("&lt;b&gt;Ampersand &amp; Co"), "{asked}");
    let (form_key, key) = (admin.hidden(&confirm("25"), "form_key").await, admin.hidden(&confirm("25"), "key").await);
    let form = |credits, key| {
        vec![
            ("workspace_id", workspace.as_str()),
            ("credits", credits),
            ("reason", "sorry"),
            ("key", key),
            ("form_key", form_key.as_str()),
        ]
    };
    let fields = form("25", &key);
    let (one, two) = tokio::join!(admin.post("/admin/credits", &fields), admin.post("/admin/credits", &fields));
    assert_eq!((one.status().as_u16(), two.status().as_u16()), (303, 303));
    assert_eq!(world.balance(&buyer).await, 65, "sent twice, given once");
    let shown = admin.page(&format!("/admin/credits?workspace_id={workspace}")).await;
    assert!(shown.contains("25 credits were given. The workspace can spend 65 now."), "{shown}");
    assert!(shown.contains("credits.adjusted") && shown.contains("sorry"), "the trail");

    let other = uuid::Uuid::new_v4().to_string();
    assert_eq!(admin.post("/admin/credits", &form("-66", &other)).await.status(), 303);
    let shown = admin.page("/admin/credits").await;
    assert!(
        shown.contains("Nothing was taken: the workspace can spend 65 credits only, and 66 were to be taken."),
        "{shown}"
    );
    assert_eq!(world.balance(&buyer).await, 65);

    for (query, words) in [
        ("workspace_id=x&credits=1&reason=r", "Workspace id: “x” is not an id"),
        ("workspace_id=00000000-0000-0000-0000-000000000000&credits=1&reason=r", "there is no workspace with this id"),
        ("workspace_id=00000000-0000-0000-0000-000000000000&credits=0&reason=r", "Credits: 1 to 1,000,000,000"),
        ("workspace_id=00000000-0000-0000-0000-000000000000&credits=1&reason=", "Reason: please fill this in."),
    ] {
        let page = admin.page(&format!("/admin/credits/confirm?{query}")).await;
        assert!(page.contains(words), "{query}: {page}");
    }
    assert!(!support.page("/admin/credits").await.contains("Review"));
    assert_eq!(support.get(&confirm("25")).await.status(), 403);

    // The same over the API: one effect per key, and the same answer byte for byte.
    let (key, look) = (world.staff("admin").await, world.staff("support").await);
    let body = json!({ "workspace_id": workspace, "credits": -5, "reason": "a correction" });
    let send = async |key: &str, idempotency: &str, body: &Value| {
        let response = world.send(0, "POST", "/v1/admin/credits", key, idempotency, body).await;
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let first = send(&key, "a", &body).await;
    assert_eq!(first.0, 201, "{}", first.1);
    assert_eq!(serde_json::from_str::<Value>(&first.1).unwrap()["balance"], 60);
    assert_eq!(send(&key, "a", &body).await, first);
    assert_eq!(world.balance(&buyer).await, 60);
    let changed = json!({ "workspace_id": workspace, "credits": -6, "reason": "a correction" });
    assert_eq!(send(&key, "a", &changed).await.0, 422);
    let much = json!({ "workspace_id": workspace, "credits": -61, "reason": "a correction" });
    let (status, problem) = send(&key, "b", &much).await;
    let problem: Value = serde_json::from_str(&problem).unwrap();
    assert_eq!((status, &problem["available"], &problem["shortfall"]), (409, &json!(60), &json!(1)));
    assert_eq!(send(&key, "", &body).await.0, 400);
    assert_eq!(send(&look, "c", &body).await.0, 403);
    let nowhere = json!({ "workspace_id": uuid::Uuid::nil(), "credits": 1, "reason": "r" });
    assert_eq!(send(&key, "d", &nowhere).await.0, 404);
    assert_eq!(world.count("SELECT count(*) FROM audit_log WHERE action = 'credits.adjusted'").await, 2);
    assert!(world.ledger_is_sound().await);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_or_found_is_said_in_words() {
    let world = World::start(None).await;
    let browser = Browser::member(&world, "support").await;
    let page = browser.page("/admin/purchases?workspace_id=x&from=yesterday&min_credits=few").await;
    for words in
        ["Workspace: “x” is not an id", "From: “yesterday” is not a day", "At least: “few” is not a whole number"]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
    for (path, status) in [("/admin/nothing", 404), ("/admin/purchases?cursor=x", 400)] {
        let response = browser.get(path).await;
        assert_eq!(response.status(), status);
        assert!(response.headers().contains_key("content-security-policy"), "{path}");
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        let words = response.text().await.unwrap();
        assert!(words.contains("<h1>") && words.contains(&id), "{path}: {words}");
    }
    world.end().await;
}
