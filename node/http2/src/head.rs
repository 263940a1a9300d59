//! The fields of a request, checked against RFC 9113, sections 8.2 and 8.3.

/// What a field counts beyond its name and value.
const FIELD_OVERHEAD_BYTES: usize = 32;

/// Why a head is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// A name or a value of bytes that neither may have.
    Field,
    /// A pseudo-field that is unknown, double, or behind a field.
    Pseudo,
    /// A pseudo-field is missing.
    Missing,
    /// A field that belongs to a connection of HTTP/1.
    Connection,
    /// A content-length that is no number, or two that differ.
    Length,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    name_bytes: u32,
    value_bytes: u32,
}

/// The four pseudo-fields of a request, where they stand in `bytes`.
#[derive(Clone, Copy, Debug, Default)]
struct Pseudo {
    method: Option<u32>,
    scheme: Option<u32>,
    authority: Option<u32>,
    path: Option<u32>,
}

/// See the module. Fields keep their order; names are lowercase.
#[derive(Clone, Debug)]
pub struct Head {
    bytes: Vec<u8>,
    spans: Vec<Span>,
    pseudo: Pseudo,
    list_bytes: usize,
    list_bytes_max: usize,
    content_length: Option<u64>,
    malformed: Option<Malformed>,
    has_fields: bool,
    id: u64,
}

impl Head {
    /// An empty one. Fields beyond so many bytes, each counted with 32 more, are
    /// dropped.
    #[must_use]
    pub fn new(list_bytes_max: u32) -> Head {
        Head {
            bytes: Vec::new(),
            spans: Vec::new(),
            pseudo: Pseudo::default(),
            list_bytes: 0,
            list_bytes_max: list_bytes_max as usize,
            content_length: None,
            malformed: None,
            has_fields: false,
            id: 0,
        }
    }

    pub(crate) fn clear(&mut self, id: u64) {
        self.bytes.clear();
        self.spans.clear();
        self.pseudo = Pseudo::default();
        self.list_bytes = 0;
        self.content_length = None;
        self.malformed = None;
        self.has_fields = false;
        self.id = id;
    }

    /// Two heads of one connection with the same id are the same.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// `:method`.
    #[must_use]
    pub fn method(&self) -> &[u8] {
        self.pseudo_value(self.pseudo.method)
    }

    /// `:path`, with its query.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        self.pseudo_value(self.pseudo.path)
    }

    /// `:scheme`.
    #[must_use]
    pub fn scheme(&self) -> &[u8] {
        self.pseudo_value(self.pseudo.scheme)
    }

    /// `:authority`, empty if there is none.
    #[must_use]
    pub fn authority(&self) -> &[u8] {
        self.pseudo_value(self.pseudo.authority)
    }

    /// `content-length`.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.content_length
    }

    /// The first field of this name.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.fields()
            .find(|(other, _)| *other == name)
            .map(|(_, value)| value)
    }

    /// The fields but for the pseudo-fields, in order.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.all_fields()
            .filter(|(name, _)| !name.starts_with(b":"))
    }

    /// All fields, in order.
    pub fn all_fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.spans.iter().map(|span| self.field(*span))
    }

    /// Whether fields were dropped because there were too many.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        self.list_bytes > self.list_bytes_max
    }

    /// Whether this is a request.
    ///
    /// # Errors
    /// [`Malformed`] where it is not.
    pub fn check(&self) -> Result<(), Malformed> {
        if let Some(malformed) = self.malformed {
            return Err(malformed);
        }
        let Pseudo {
            method: Some(_),
            scheme: Some(_),
            path: Some(_),
            ..
        } = self.pseudo
        else {
            return Err(Malformed::Missing);
        };
        if self.path().is_empty() || self.method().is_empty() {
            return Err(Malformed::Missing);
        }
        Ok(())
    }

    /// Whether these are the trailers of a request.
    ///
    /// # Errors
    /// [`Malformed`] where they are not.
    pub fn check_trailers(&self) -> Result<(), Malformed> {
        let Pseudo {
            method,
            scheme,
            authority,
            path,
        } = self.pseudo;
        match self.malformed {
            Some(malformed) => Err(malformed),
            None if method.or(scheme).or(authority).or(path).is_some() => Err(Malformed::Pseudo),
            None => Ok(()),
        }
    }

    /// Add a field; `is_valid` says what [`is_field`] says of it.
    pub(crate) fn push(&mut self, name: &[u8], value: &[u8], is_valid: bool) {
        self.list_bytes += name.len() + value.len() + FIELD_OVERHEAD_BYTES;
        if self.is_too_large() {
            return;
        }
        let span = Span {
            // The list's bound is a u32, so that all of these are.
            start: self.bytes.len() as u32,
            name_bytes: name.len() as u32,
            value_bytes: value.len() as u32,
        };
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(value);
        let at = self.spans.len() as u32;
        self.spans.push(span);
        let checked = match is_valid {
            false => Err(Malformed::Field),
            true if name.first() == Some(&b':') => self.take_pseudo(name, at),
            true => {
                self.has_fields = true;
                self.take_field(name, value)
            }
        };
        if let Err(malformed) = checked {
            self.malformed.get_or_insert(malformed);
        }
    }

    fn take_pseudo(&mut self, name: &[u8], at: u32) -> Result<(), Malformed> {
        let place = match name {
            b":method" => &mut self.pseudo.method,
            b":path" => &mut self.pseudo.path,
            b":scheme" => &mut self.pseudo.scheme,
            b":authority" => &mut self.pseudo.authority,
            _ => return Err(Malformed::Pseudo),
        };
        match place.replace(at) {
            None if !self.has_fields => Ok(()),
            _ => Err(Malformed::Pseudo),
        }
    }

    fn take_field(&mut self, name: &[u8], value: &[u8]) -> Result<(), Malformed> {
        match name {
            b"te" if value == b"trailers" => Ok(()),
            b"te" | b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding"
            | b"upgrade" => Err(Malformed::Connection),
            b"content-length" => {
                let digits = Some(value).filter(|v| v.iter().all(u8::is_ascii_digit));
                let length = digits
                    .and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok())
                    .ok_or(Malformed::Length)?;
                match self.content_length.replace(length) {
                    Some(before) if before != length => Err(Malformed::Length),
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    fn pseudo_value(&self, at: Option<u32>) -> &[u8] {
        at.map_or(&[], |at| self.field(self.spans[at as usize]).1)
    }

    fn field(&self, span: Span) -> (&[u8], &[u8]) {
        let start = span.start as usize;
        let name_end = start + span.name_bytes as usize;
        let end = name_end + span.value_bytes as usize;
        (&self.bytes[start..name_end], &self.bytes[name_end..end])
    }
}

/// Bytes that a name may have: those of a token, without uppercase.
static NAME_BYTES: [bool; 256] = name_bytes();

const fn name_bytes() -> [bool; 256] {
    let allowed = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz";
    let mut table = [false; 256];
    let mut at = 0;
    while at < allowed.len() {
        table[allowed[at] as usize] = true;
        at += 1;
    }
    table
}

/// Whether a field may have this name and this value.
pub(crate) fn is_field(name: &[u8], value: &[u8]) -> bool {
    let name = name.strip_prefix(b":").unwrap_or(name);
    let named = !name.is_empty() && name.iter().all(|byte| NAME_BYTES[usize::from(*byte)]);
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    named
        && !is_blank(value.first())
        && !is_blank(value.last())
        && !value.iter().any(|byte| matches!(byte, 0 | b'\n' | b'\r'))
}

#[cfg(test)]
mod tests {
    use super::{Head, Malformed, is_field};

    const REQUEST: [(&str, &str); 4] = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/a/B"),
        (":authority", "here"),
    ];

    fn head(fields: &[(&str, &str)]) -> Head {
        let mut head = Head::new(4096);
        for (name, value) in fields {
            let (name, value) = (name.as_bytes(), value.as_bytes());
            head.push(name, value, is_field(name, value));
        }
        head
    }

    fn with(more: &[(&str, &str)]) -> Result<(), Malformed> {
        head(&[&REQUEST, more].concat()).check()
    }

    #[test]
    fn a_request_is_one() {
        let head = head(&[&REQUEST[..], &[("te", "trailers"), ("a", "1"), ("a", "2")]].concat());
        assert_eq!(head.check(), Ok(()));
        assert_eq!((head.method(), head.path()), (&b"POST"[..], &b"/a/B"[..]));
        assert_eq!(
            (head.scheme(), head.authority()),
            (&b"http"[..], &b"here"[..])
        );
        assert_eq!(head.get(b"a"), Some(&b"1"[..]));
        assert_eq!(head.fields().count(), 3);
        assert_eq!(head.check_trailers(), Err(Malformed::Pseudo));
    }

    #[test]
    fn what_is_malformed_is_told() {
        assert_eq!(with(&[("A", "1")]), Err(Malformed::Field));
        assert_eq!(with(&[("a b", "1")]), Err(Malformed::Field));
        assert_eq!(with(&[("", "1")]), Err(Malformed::Field));
        assert_eq!(with(&[("a", "1\n2")]), Err(Malformed::Field));
        assert_eq!(with(&[("a", " 1")]), Err(Malformed::Field));
        assert_eq!(with(&[("a", "1"), (":path", "/")]), Err(Malformed::Pseudo));
        assert_eq!(with(&[(":path", "/")]), Err(Malformed::Pseudo));
        assert_eq!(with(&[(":status", "200")]), Err(Malformed::Pseudo));
        assert_eq!(with(&[("te", "gzip")]), Err(Malformed::Connection));
        assert_eq!(with(&[("connection", "close")]), Err(Malformed::Connection));
        assert_eq!(with(&[("content-length", "1x")]), Err(Malformed::Length));
        let twice = [("content-length", "1"), ("content-length", "2")];
        assert_eq!(with(&twice), Err(Malformed::Length));
        for missing in 0..3 {
            let mut fields = REQUEST.to_vec();
            fields.remove(missing);
            assert_eq!(head(&fields).check(), Err(Malformed::Missing));
        }
    }

    #[test]
    fn what_is_too_much_is_dropped() {
        let mut head = Head::new(100);
        for _ in 0..1000 {
            head.push(b"name", &[b'v'; 20], true);
        }
        assert!(head.is_too_large());
        assert_eq!(head.fields().count(), 1);
    }
}
