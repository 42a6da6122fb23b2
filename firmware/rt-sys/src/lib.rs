//! The daemon's system calls: scheduling, memory locking, pipes, timers, polling.
