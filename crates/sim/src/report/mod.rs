//! Result folders: from outcomes to CSV, from CSV to pictures and a page.
//!
//! [`results`] turns outcomes into tables, [`table`] writes them to disk and reads them back; [`plot`] and [`page`] use
//! nothing but what is on disk, so a folder can be drawn again years later.

pub mod expect;
pub mod folder;
pub mod manifest;
pub mod results;
pub mod table;
pub mod text;
