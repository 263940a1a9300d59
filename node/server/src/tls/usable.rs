//! Whether a certificate can be what a node needs it for: a mistake that would show only at
//! peers, which then cannot be reached.

use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, Error, KeyUsage};

/// What is wrong with it, and what to do, if anything is. Who signed it is not looked at: the
/// authority may be replaced after it.
///
/// `chain`: the certificate, and those between it and its authority.
pub(super) fn fault(
    chain: &[CertificateDer<'_>],
    roots: &RootCertStore,
    now: UnixTime,
) -> Option<&'static str> {
    let (own, between) = chain.split_first()?;
    let Ok(certificate) = EndEntityCert::try_from(own) else {
        return Some("the certificate cannot be read: take one of X.509 version 3");
    };
    let of = |usage| {
        let roots = &roots.roots;
        let algorithms = ALL_VERIFICATION_ALGS;
        let verified =
            certificate.verify_for_usage(algorithms, roots, between, now, usage, None, None);
        match verified.err()? {
            Error::RequiredEkuNotFoundContext(_) => Some(
                "the certificate is not for both servers and clients, and a node is both: have it \
                 signed for serverAuth and clientAuth",
            ),
            Error::CaUsedAsEndEntity => {
                Some("the certificate is that of an authority: take one that it has signed")
            }
            Error::CertExpired { .. } => {
                Some("the certificate, or one that signed it, has run out: renew it")
            }
            Error::CertNotValidYet { .. } => Some(
                "the certificate, or one that signed it, is not valid yet: look at this machine's \
                 clock",
            ),
            _ => None,
        }
    };
    of(KeyUsage::server_auth()).or_else(|| of(KeyUsage::client_auth()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa,
        KeyPair, date_time_ymd,
    };
    use rustls::RootCertStore;
    use rustls::pki_types::UnixTime;

    use super::fault;

    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

    /// In 2026.
    fn now() -> UnixTime {
        UnixTime::since_unix_epoch(56 * YEAR + YEAR / 4)
    }

    fn params() -> CertificateParams {
        let mut params = CertificateParams::new(["n".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2025, 1, 1);
        params.not_after = date_time_ymd(2027, 1, 1);
        params
    }

    fn authority() -> CertifiedIssuer<'static, KeyPair> {
        let mut params = params();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    fn fault_of(usages: &[ExtendedKeyUsagePurpose], at: UnixTime, is_known: bool) -> &'static str {
        let authority = authority();
        let mut params = params();
        params.extended_key_usages = usages.to_vec();
        let key = KeyPair::generate().unwrap();
        let signed = params.signed_by(&key, &authority).unwrap();
        let mut roots = RootCertStore::empty();
        if is_known {
            roots.add(authority.der().clone()).unwrap();
        }
        fault(&[signed.der().clone()], &roots, at).unwrap_or_default()
    }

    #[test]
    fn it_must_be_for_servers_and_for_clients() {
        use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
        for is_known in [true, false] {
            assert_eq!(fault_of(&[], now(), is_known), "");
            assert_eq!(fault_of(&[ServerAuth, ClientAuth], now(), is_known), "");
            for one in [ServerAuth, ClientAuth] {
                assert!(fault_of(&[one], now(), is_known).contains("serverAuth and clientAuth"));
            }
        }
    }

    #[test]
    fn it_must_be_valid_now_and_be_no_authority() {
        let late = UnixTime::since_unix_epoch(60 * YEAR);
        assert!(fault_of(&[], late, true).contains("has run out"));
        let early = UnixTime::since_unix_epoch(50 * YEAR);
        assert!(fault_of(&[], early, true).contains("not valid yet"));
        let authority = authority();
        let chain = [authority.der().clone()];
        let told = fault(&chain, &RootCertStore::empty(), now());
        assert!(told.is_some_and(|it| it.contains("that of an authority")));
    }
}
