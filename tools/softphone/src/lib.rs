//! A small SIP user agent to check a box from a laptop.
