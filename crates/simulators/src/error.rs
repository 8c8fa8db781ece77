//! What can go wrong when a simulator is set up or changed.

/// An error of the program that runs a simulator, not one that a simulator plays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SimError {
    /// An option has no such value.
    #[error("{0}")]
    Config(String),
    /// The sockets cannot be had.
    #[error("{0}")]
    Listen(String),
    /// A resource is not what the call needs.
    #[error("{0}")]
    Resource(String),
    /// A test key cannot be made.
    #[error("cannot make a test key: {0}")]
    Key(String),
}
