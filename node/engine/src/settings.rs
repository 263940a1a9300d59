//! What an engine is told when it is built. It never changes afterwards, but for the
//! eviction policy (see [`mod@crate::switch`]).

/// Longest key that the entry layout can hold, whatever the settings say.
pub const KEY_BYTES_LIMIT: usize = 32 << 10;

/// Largest value that the entry layout can hold, whatever the settings say.
pub const VALUE_BYTES_LIMIT: usize = 512 << 20;

/// Settings of an engine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many partitions the cluster has. The engine has a place for each.
    pub partition_count: u32,
    /// Bound on everything that the engine allocates, over all partitions.
    pub maxmemory_bytes: usize,
    /// Who goes first when the memory is full, to begin with.
    pub eviction: Eviction,
    /// Longest key taken. At most [`KEY_BYTES_LIMIT`].
    pub key_bytes_max: usize,
    /// Largest value taken. At most [`VALUE_BYTES_LIMIT`].
    pub value_bytes_max: usize,
    /// Keys the hash of the tables and seeds what the policies draw by lot. Give
    /// a fresh random number per process: whoever knows it can choose colliding
    /// keys.
    pub hash_seed: u64,
}

/// Which entry is given up when the memory is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Eviction {
    /// Three FIFO queues. Wins on most real traces: what is asked for once leaves
    /// early, so a scan does not flush what is hot.
    #[default]
    S3Fifo,
    /// Least recently used. Wins where the working set shifts as a whole.
    Lru,
    /// Least frequently used, with ageing. Wins where popularity stays as it is.
    Lfu,
    /// Nothing is given up: a write that does not fit is refused.
    None,
}

impl Eviction {
    /// All of them, by their numbers.
    pub const ALL: [Eviction; 4] = [
        Eviction::S3Fifo,
        Eviction::Lru,
        Eviction::Lfu,
        Eviction::None,
    ];

    /// Its name in settings and answers.
    pub fn name(self) -> &'static str {
        match self {
            Eviction::S3Fifo => "s3fifo",
            Eviction::Lru => "lru",
            Eviction::Lfu => "lfu",
            Eviction::None => "none",
        }
    }

    /// The policy of this name.
    pub fn named(name: &str) -> Option<Eviction> {
        Eviction::ALL.into_iter().find(|it| it.name() == name)
    }
}
