//! Members of staff, and the browser that they look at pages with.

use overdraft_reference::{Secret, add_staff};
use reqwest::{Client, Response, header, redirect::Policy};
use serde_json::json;

use crate::world::World;

pub(crate) const PASSWORD: &str = "correct horse battery";

/// A member of staff who can log in; the address.
pub(crate) async fn member(world: &World, role: &str) -> String {
    let email = format!("{role}@example.test");
    let key = add_staff(&world.url(), &email, role, Some(&Secret::new(PASSWORD))).await.unwrap();
    let (status, _) = world.get_as(key.expose(), "/v1/admin/audit").await;
    assert_eq!(status, 200, "the key that was printed works");
    email
}

/// A browser without a script: it keeps the cookie it is given and follows nothing.
pub(crate) struct Browser {
    client: Client,
    pub(crate) base: String,
    pub(crate) cookie: String,
}

impl Browser {
    pub(crate) fn new(world: &World) -> Self {
        let client = Client::builder().redirect(Policy::none()).build().unwrap();
        Self { client, base: world.address(0), cookie: String::new() }
    }

    pub(crate) async fn member(world: &World, role: &str) -> Self {
        let email = member(world, role).await;
        let mut browser = Self::new(world);
        let response = browser.log_in(&email, PASSWORD).await;
        assert_eq!(response.status(), 303);
        assert_eq!(response.headers()[header::LOCATION], "/admin");
        browser
    }

    pub(crate) async fn log_in(&mut self, email: &str, password: &str) -> Response {
        let response = self.post("/admin/login", &[("email", email), ("password", password)]).await;
        if let Some(cookie) = response.headers().get(header::SET_COOKIE) {
            self.cookie = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
        }
        response
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.base)).header(header::COOKIE, &self.cookie).send().await.unwrap()
    }

    pub(crate) async fn page(&self, path: &str) -> String {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        response.text().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        self.post_from(&self.base, path, fields).await
    }

    pub(crate) async fn post_from(&self, origin: &str, path: &str, fields: &[(&str, &str)]) -> Response {
        let mut request = self.client.post(format!("{}{path}", self.base)).header(header::COOKIE, &self.cookie);
        if !origin.is_empty() {
            request = request.header(header::ORIGIN, origin);
        }
        request.form(fields).send().await.unwrap()
    }

    /// The hidden field of that name on a page.
    pub(crate) async fn hidden(&self, path: &str, name: &str) -> String {
        let page = self.page(path).await;
        let after =
            page.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap_or_else(|| panic!("no {name}: {page}"));
        after.split('"').next().unwrap().to_owned()
    }

    pub(crate) async fn is_logged_in(&self) -> bool {
        self.get("/admin").await.status() == 200
    }
}

pub(crate) async fn ahead(world: &World, minutes: i64) {
    let body = json!({ "ahead_ms": minutes * 60_000 }).to_string();
    let sent = Client::new().put(format!("{}/test-clock", world.address(0))).body(body).send().await.unwrap();
    assert_eq!(sent.status(), 200);
}
