//! Every row of `fixtures/stripe/signatures.toml`, posted to the real endpoint.

use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use serde_json::json;
use sha2::Sha256;

use crate::world::{WEBHOOK_SECRET, World};

#[derive(Deserialize)]
struct Table {
    header: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    name: String,
    value: String,
    #[serde(default)]
    age: i64,
    #[serde(default)]
    tampered: bool,
    accepted: bool,
}

fn v1(secret: &str, t: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{t}.{body}").as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_endpoint_believes_exactly_what_the_table_says() {
    let table = include_str!("../../../fixtures/stripe/signatures.toml");
    let rows = toml::from_str::<Table>(table).unwrap().header;
    let world = World::start(None).await;
    let mut accepted = 0;
    for (n, row) in rows.iter().enumerate() {
        let body = json!({ "id": format!("evt_row_{n}"), "object": "event", "type": "charge.updated",
            "livemode": false, "data": { "object": {} } })
        .to_string();
        let t = chrono::Utc::now().timestamp() - row.age;
        let true_one = v1(WEBHOOK_SECRET, t, &body);
        let header = row
            .value
            .replace("{t}", &t.to_string())
            .replace("{later}", &(t + 1).to_string())
            .replace("{v1}", &true_one)
            .replace("{upper}", &true_one.to_ascii_uppercase())
            .replace("{foreign}", &v1("whsec_foreign", t, &body));
        let posted = if row.tampered { body.replace("charge.updated", "charge.refunded") } else { body };
        let status = world.deliver_raw(n, &header, posted).await;
        assert_eq!(status == 200, row.accepted, "{}: {header} was answered {status}", row.name);
        assert!(row.accepted || (400..500).contains(&status), "{}: {status}", row.name);
        accepted += i64::from(row.accepted);
    }
    assert!(accepted > 0 && accepted < i64::try_from(rows.len()).unwrap());
    assert_eq!(world.count("SELECT count(*) FROM webhook_events").await, accepted, "refused ones left no trace");
    world.end().await;
}
