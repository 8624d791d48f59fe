//! A server that was given with `--database-url` is left as it was found.

use nix::sys::signal::Signal;
use sqlx::{Connection, PgConnection};

use crate::support::{PATIENCE, Place, flash_sale, json, until};

/// Databases and roles that a run might have made.
async fn left_in(url: &str) -> Vec<String> {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let query = r"SELECT datname::text FROM pg_database WHERE datname LIKE 'overdraft\_%'
                  UNION ALL SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'marketplace\_%'";
    sqlx::query_scalar(query).fetch_all(&mut connection).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_given_server_is_left_as_it_was_found() {
    let Some(place) = Place::for_runs() else { return };
    let (server, _keeper) = place.server().await;
    let theirs = server.create_database("theirs", &[]).await.unwrap();
    let url = theirs.url();

    place.write("small.toml", &flash_sale(20, 1));
    place.run(&["run", "small.toml", "--seed", "1", "--database-url", url]).exits(0);
    let provenance = &json(place.latest("manifest.json"))["provenance"];
    assert!(provenance["postgresql"].as_str().unwrap().contains("given by URL"), "{provenance}");
    assert_eq!(left_in(url).await, Vec::<String>::new());
    let password = url.split([':', '@']).nth(2).unwrap();
    for file in ["manifest.json", "history.jsonl", "evidence.json", "verdict.json", "report.html"] {
        let text = std::fs::read_to_string(place.latest(file)).unwrap();
        assert!(!text.contains(password), "the server's password is in {file}");
    }

    place.write("long.toml", &flash_sale(20, 500));
    let mut run = place.start(&["run", "long.toml", "--seed", "2", "--database-url", url]);
    until("operations in the history", PATIENCE, || {
        assert!(!run.ended(), "it ended early:\n{}", run.stderr());
        (place.latest("history.jsonl").exists() && json(place.latest("manifest.json"))["provenance"]["seed"] == 2)
            .then(|| place.asked())
            .filter(|asked| *asked >= 20)
    });
    run.signal(Signal::SIGINT);
    run.end().exits(130);
    assert_eq!(left_in(url).await, Vec::<String>::new());
    assert_eq!(place.left_behind(), Vec::<String>::new());

    theirs.remove().await.unwrap();
    server.stop().await;
}
