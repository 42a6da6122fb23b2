use std::time::Duration;

/// What a failure means for what is done next. Who can mend it is told elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The same request may succeed shortly: the network, a broken service, an answer that cannot be read.
    Passing,
    /// No answer within the deadline, which is then spent.
    Silent,
    /// Too much was asked, or the service asked to be left alone.
    RateLimited {
        /// For how long.
        retry_after: Option<Duration>,
    },
    /// Only a person can mend it: the key, the quota, the certificate.
    Fatal,
    /// The service works and does not take this request: another engine may.
    Refused,
}

impl Failure {
    /// Whether it speaks against the engine.
    pub const fn is_the_engines(self) -> bool {
        !matches!(self, Self::Refused)
    }
}
