//! Whom a certificate names, and whom an address does.

use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

/// The DNS names, in lower case, and then the URIs of a certificate that was verified.
///
/// A URI without a scheme is passed over, so that none is taken for a DNS name.
pub(super) fn of(certificate: &CertificateDer<'_>) -> Vec<Box<str>> {
    let Ok(certificate) = EndEntityCert::try_from(certificate) else {
        return Vec::new();
    };
    let dns = certificate
        .valid_dns_names()
        .map(|name| name.to_ascii_lowercase());
    let uris = certificate.valid_uri_names();
    let uris = uris.filter(|uri| uri.contains(':')).map(str::to_owned);
    dns.chain(uris).map(String::into_boxed_str).collect()
}

/// The host of HOST:PORT, without the brackets of an IPv6 address.
pub(super) fn host(address: &str) -> Option<&str> {
    let (host, _) = address.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    Some(bare.unwrap_or(host)).filter(|host| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{host, of};
    use rcgen::{CertificateParams, KeyPair, SanType};

    #[test]
    fn dns_names_and_uris_are_told_and_nothing_else() {
        let uri = |text: &str| SanType::URI(text.try_into().unwrap());
        let mut params = CertificateParams::new(["Node-1.Example".to_owned()]).unwrap();
        params.subject_alt_names.extend([
            SanType::IpAddress([127, 0, 0, 1].into()),
            uri("spiffe://example/app"),
            uri("node-2.example"),
        ]);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        assert_eq!(
            of(certificate.der()),
            ["node-1.example".into(), "spiffe://example/app".into()]
        );
    }

    #[test]
    fn hosts_are_read_from_addresses() {
        assert_eq!(host("node-1.example:7600"), Some("node-1.example"));
        assert_eq!(host("10.0.0.1:7600"), Some("10.0.0.1"));
        assert_eq!(host("[::1]:7600"), Some("::1"));
        assert_eq!(host(":7600"), None);
        assert_eq!(host("node-1"), None);
    }
}
