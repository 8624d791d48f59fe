//! What both ways of releasing have in common: where a request goes, and its head.

use hyper::http::request::Builder;
use tokio::net::TcpStream;

use crate::http::Request;

/// A host and a port.
pub(super) type Address = (String, u16);

/// Where a request goes.
pub(super) fn address(url: &str) -> Result<Address, String> {
    let url = url::Url::parse(url).map_err(|error| error.to_string())?;
    if url.scheme() != "http" {
        return Err("races are released on plain HTTP only".into());
    }
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    Ok((host, url.port_or_known_default().unwrap_or(80)))
}

/// Connects; what is written leaves at once.
pub(super) async fn connect((host, port): &Address) -> Result<TcpStream, String> {
    let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    Ok(stream)
}

/// Method, target and headers.
pub(super) fn head(request: &Request, uri: &str, body: usize) -> Builder {
    let mut builder = hyper::Request::builder().method(request.method.clone()).uri(uri);
    if body > 0 {
        builder = builder.header("content-length", body);
    }
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    builder
}
