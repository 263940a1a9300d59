//! The methods of `shoal.v1.Cache`.

/// A method of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Method {
    Get,
    Set,
    Del,
    Incr,
    MGet,
    MSet,
    Touch,
    ReleaseFill,
    InvalidateTag,
    Execute,
    WatchTopology,
    WatchInvalidations,
}

/// How many messages go each way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One request, one response.
    Unary,
    /// One request, many responses.
    Watch,
    /// Many requests, as many responses.
    Stream,
}

/// The service's full name.
pub const SERVICE: &str = "shoal.v1.Cache";

macro_rules! paths {
    ($($name:ident)*) => {
        /// The method's name.
        #[must_use]
        pub const fn name(self) -> &'static str {
            match self { $(Method::$name => stringify!($name),)* }
        }

        /// The method's path in HTTP/2.
        #[must_use]
        pub const fn path(self) -> &'static str {
            match self { $(Method::$name => concat!("/shoal.v1.Cache/", stringify!($name)),)* }
        }

        /// The method of this name.
        #[must_use]
        pub fn named(name: &str) -> Option<Method> {
            match name {
                $(stringify!($name) => Some(Method::$name),)*
                _ => None,
            }
        }

        /// Every method.
        pub const ALL: &[Method] = &[$(Method::$name),*];
    };
}

impl Method {
    paths!(
        Get Set Del Incr MGet MSet Touch ReleaseFill InvalidateTag Execute WatchTopology
            WatchInvalidations
    );

    /// Whether its requests are answered one by one, so that each has a duration.
    pub(crate) const fn is_timed(self) -> bool {
        !matches!(self.shape(), Shape::Watch)
    }

    /// How many messages go each way.
    #[must_use]
    pub const fn shape(self) -> Shape {
        match self {
            Method::Execute => Shape::Stream,
            Method::WatchTopology | Method::WatchInvalidations => Shape::Watch,
            _ => Shape::Unary,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Method, SERVICE, Shape};
    use prost::Message;
    use prost_types::FileDescriptorSet;

    #[test]
    fn the_methods_are_those_of_the_proto_file() {
        let set = FileDescriptorSet::decode(shoal_protos::DESCRIPTORS).unwrap();
        let service = set
            .file
            .iter()
            .flat_map(|file| file.service.iter().map(|s| (file.package(), s)))
            .find(|(package, service)| format!("{package}.{}", service.name()) == SERVICE)
            .unwrap()
            .1;
        assert_eq!(service.method.len(), Method::ALL.len());
        for method in &service.method {
            let own = Method::named(method.name()).unwrap();
            let shape = match (method.client_streaming(), method.server_streaming()) {
                (false, false) => Shape::Unary,
                (false, true) => Shape::Watch,
                _ => Shape::Stream,
            };
            assert_eq!(own.shape(), shape, "{own:?}");
            assert_eq!(own.path(), format!("/{SERVICE}/{}", own.name()));
            assert_eq!(Method::ALL[own as usize], own, "the list is in order");
        }
    }
}
