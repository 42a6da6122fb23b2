//! Tests across the whole box, rung by rung.
