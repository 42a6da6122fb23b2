//! Asterisk channel driver: SLIN16 over two FIFOs.
