//! A headless Chromium, driven over the W3C WebDriver protocol: the six commands of it that a page test needs.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

/// Debian's packages `chromium` and `chromium-driver`.
const CHROMIUM: &str = "/usr/bin/chromium";
const DRIVER: &str = "/usr/bin/chromedriver";
/// The member under which an element's reference comes, as the standard fixes it.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one window. It ends with [`Browser::quit`], or with its driver.
pub(crate) struct Browser {
    client: Client,
    session: String,
    profile: PathBuf,
    driver: Child,
}

impl Browser {
    /// Starts one; `None`, with the reason, where the programs are not installed.
    pub(crate) async fn start() -> Result<Self, String> {
        for program in [CHROMIUM, DRIVER] {
            if !Path::new(program).exists() {
                return Err(format!("{program} is not installed"));
            }
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let driver = Command::new(DRIVER)
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let client = Client::builder().timeout(Duration::from_secs(60)).build().unwrap();
        let base = format!("http://127.0.0.1:{port}");
        let mut ready = false;
        for _ in 0..400 {
            let status = client.get(format!("{base}/status")).send().await;
            if status.is_ok_and(|status| status.status() == 200) {
                ready = true;
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        assert!(ready, "{DRIVER} did not begin to answer");
        let profile = std::env::temp_dir().join(format!("overdraft-chromium-{}", uuid::Uuid::new_v4()));
        let options = json!({ "binary": CHROMIUM, "args": [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            format!("--user-data-dir={}", profile.display()),
        ]});
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome", "timeouts": { "pageLoad": 30_000, "implicit": 5_000 },
            "goog:chromeOptions": options,
        }}});
        let mut browser = Self { client, session: format!("{base}/session"), profile, driver };
        let opened = browser.post("", &wanted).await;
        browser.session = format!("{}/{}", browser.session, opened["sessionId"].as_str().unwrap());
        Ok(browser)
    }

    /// Opens a page.
    pub(crate) async fn open(&self, url: &str) {
        self.post("/url", &json!({ "url": url })).await;
    }

    /// Types into the element that a CSS selector finds.
    pub(crate) async fn type_into(&self, selector: &str, text: &str) {
        let element = self.find(selector).await;
        self.post(&format!("/element/{element}/value"), &json!({ "text": text })).await;
    }

    /// Clicks the element that a CSS selector finds; a page that follows is loaded when this returns.
    pub(crate) async fn click(&self, selector: &str) {
        let element = self.find(selector).await;
        self.post(&format!("/element/{element}/click"), &json!({})).await;
    }

    /// What a person reads in the element.
    pub(crate) async fn text(&self, selector: &str) -> String {
        let element = self.find(selector).await;
        self.get(&format!("/element/{element}/text")).await.as_str().unwrap().to_owned()
    }

    /// The width of the window's content, and how far the page goes beyond it.
    pub(crate) async fn widths(&self) -> (i64, i64) {
        let script = "const e = document.documentElement; return [e.clientWidth, e.scrollWidth];";
        let widths = self.post("/execute/sync", &json!({ "script": script, "args": [] })).await;
        (widths[0].as_i64().unwrap(), widths[1].as_i64().unwrap())
    }

    /// Gives the window a size.
    pub(crate) async fn resize(&self, width: u32, height: u32) {
        self.post("/window/rect", &json!({ "width": width, "height": height })).await;
    }

    /// A picture of the window, as PNG in Base64.
    pub(crate) async fn picture(&self) -> String {
        self.get("/screenshot").await.as_str().unwrap().to_owned()
    }

    /// Ends the browser and its driver, and removes its profile.
    pub(crate) async fn quit(mut self) {
        let ended = self.client.delete(&self.session).send().await.unwrap();
        assert!(ended.status().is_success());
        self.driver.kill().await.unwrap();
        // Chromium may still be writing; what is left is in the folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.profile);
    }

    async fn find(&self, selector: &str) -> String {
        let found = self.post("/element", &json!({ "using": "css selector", "value": selector })).await;
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let sent = self.client.post(format!("{}{path}", self.session)).body(body.to_string()).send().await;
        Self::value(path, sent.unwrap().text().await.unwrap())
    }

    async fn get(&self, path: &str) -> Value {
        let sent = self.client.get(format!("{}{path}", self.session)).send().await;
        Self::value(path, sent.unwrap().text().await.unwrap())
    }

    fn value(path: &str, text: String) -> Value {
        let mut answer: Value = serde_json::from_str(&text).unwrap();
        let value = answer["value"].take();
        assert!(value["error"].is_null(), "{path}: {value}");
        value
    }
}
