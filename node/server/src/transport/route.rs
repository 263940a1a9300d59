//! From a request's head to who answers it.

use std::time::Duration;

use shoal_http2::Head;

use crate::service::{Method, SERVICE, Shape};
use crate::transport::timeout::timeout;

/// Who answers, and how long the caller waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) to: To,
    pub(super) timeout: Option<Duration>,
}

impl To {
    /// Whether it is asked of the cache, be it something that the cache does not have.
    pub(super) fn is_the_caches(self) -> bool {
        match self {
            To::Cache(_) | To::Execute | To::NoSuchMethod | To::Compressed => true,
            To::Standard | To::NotPost | To::NotGrpc => false,
        }
    }
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    /// A method of the cache that takes one message.
    Cache(Method),
    /// `Execute`.
    Execute,
    /// Health, reflection or replication, or nobody.
    Standard,
    /// The cache has no such method.
    NoSuchMethod,
    /// The message is compressed.
    Compressed,
    /// gRPC is always POST.
    NotPost,
    /// This is not gRPC.
    NotGrpc,
}

impl Route {
    pub(super) fn of(head: &Head) -> Route {
        Route {
            to: to(head),
            timeout: head.get(b"grpc-timeout").and_then(timeout),
        }
    }
}

fn to(head: &Head) -> To {
    if head.method() != b"POST" {
        return To::NotPost;
    }
    let content_type = head.get(b"content-type").unwrap_or_default();
    if !is_grpc(content_type) {
        return To::NotGrpc;
    }
    let Some(name) = method_name(head.path()) else {
        return To::Standard;
    };
    let Some(method) = Method::named(name) else {
        return To::NoSuchMethod;
    };
    match head.get(b"grpc-encoding") {
        None | Some(b"identity") => {}
        Some(_) => return To::Compressed,
    }
    match method.shape() {
        Shape::Stream => To::Execute,
        Shape::Unary | Shape::Watch => To::Cache(method),
    }
}

/// `application/grpc`, with a message format or parameters behind it.
fn is_grpc(content_type: &[u8]) -> bool {
    content_type
        .strip_prefix(b"application/grpc")
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// The method, if the path is one of the cache's.
fn method_name(path: &[u8]) -> Option<&str> {
    let rest = path.strip_prefix(b"/")?.strip_prefix(SERVICE.as_bytes())?;
    std::str::from_utf8(rest.strip_prefix(b"/")?).ok()
}

#[cfg(test)]
mod tests {
    use super::{is_grpc, method_name};

    #[test]
    fn content_types_of_grpc_are_known() {
        for yes in [
            "application/grpc",
            "application/grpc+proto",
            "application/grpc;q=1",
        ] {
            assert!(is_grpc(yes.as_bytes()), "{yes}");
        }
        for no in ["", "text/html", "application/grpc-web", "application/grp"] {
            assert!(!is_grpc(no.as_bytes()), "{no}");
        }
    }

    #[test]
    fn methods_of_the_cache_are_told_from_other_services() {
        assert_eq!(method_name(b"/shoal.v1.Cache/Get"), Some("Get"));
        assert_eq!(method_name(b"/shoal.v1.Cache/"), Some(""));
        assert_eq!(method_name(b"/shoal.v1.Cache2/Get"), None);
        assert_eq!(method_name(b"/grpc.health.v1.Health/Check"), None);
        assert_eq!(method_name(b"*"), None);
    }
}
