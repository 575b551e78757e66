//! The checks themselves: each finds what it is there to find.

mod fixture;

mod calls;

mod gates;

mod slack;

mod waves;

mod bounds;
