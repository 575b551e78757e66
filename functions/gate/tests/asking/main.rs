//! Approvers are asked: everybody where they decide, each in their own name.

mod fixture;

mod mail;
mod mailboxes;
mod slack;
mod words;
