//! Responses in gzip, for callers who take it: HTTP APIs of API Gateway do not compress by
//! themselves (API Gateway developer guide).
//!
//! What a page holds and others could have written stands beside the page's own token. That tells
//! nobody the token by the page's length (BREACH): a page is made only for who sends it.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::payload::{Request, Response};

/// Bodies shorter than this many bytes stay as they are.
const WORTH_IT: usize = 1_024;

/// The response, smaller if the caller takes it so.
pub(crate) fn compressed(mut response: Response, request: &Request) -> Response {
    if response.body.len() < WORTH_IT {
        return response;
    }
    let vary = ("vary".to_owned(), "accept-encoding".to_owned());
    response.headers.extend([vary]);
    if !takes_gzip(request.header("accept-encoding").unwrap_or_default()) {
        return response;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to a Vec cannot fail; if it did, the body would go out as it is.
    let written = encoder.write_all(response.body.as_bytes());
    if let (Ok(()), Ok(bytes)) = (written, encoder.finish()) {
        response.body = STANDARD.encode(bytes);
        response.is_base64_encoded = true;
        let encoding = ("content-encoding".to_owned(), "gzip".to_owned());
        response.headers.extend([encoding]);
    }
    response
}

/// Whether gzip is named, and not with the quality 0 (RFC 9110, 12.5.3).
fn takes_gzip(accepted: &str) -> bool {
    accepted.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let refused = parts.any(|part| {
            part.strip_prefix("q=")
                .is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0))
        });
        name.eq_ignore_ascii_case("gzip") && !refused
    })
}

#[cfg(test)]
mod tests {
    use super::takes_gzip;

    #[test]
    fn gzip_is_for_those_who_take_it() {
        for taken in ["gzip", "br, GZIP;q=0.5", "deflate, gzip, br, zstd"] {
            assert!(takes_gzip(taken), "{taken}");
        }
        for not in [
            "",
            "br",
            "gzip;q=0",
            "gzip; q=0.0",
            "x-gzip-not",
            "identity",
        ] {
            assert!(!takes_gzip(not), "{not}");
        }
    }
}
