//! The all-in-one; `quartet catalog verify | rebuild` looks at a bucket instead, `quartet import` fills one from another store, `quartet export`
//! writes what is in one as plain tables.

use std::process::ExitCode;

use quartet::catalog::{self, Order};
use quartet::config::AllInOneConfig;
use quartet::{export, import};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1).peekable();
    if args.next_if(|word| word == "catalog").is_some() {
        return match args.next().as_deref().and_then(Order::parse) {
            Some(order) => catalog::run(order, args),
            None => {
                eprintln!("usage: quartet catalog verify | rebuild [--config FILE] [--section.key=value]");
                ExitCode::from(2)
            }
        };
    }
    if args.next_if(|word| word == "import").is_some() {
        return match import::Order::parse(args) {
            Some((order, settings)) => import::run(&order, settings.into_iter()),
            None => {
                eprintln!("{}", import::USAGE);
                ExitCode::from(2)
            }
        };
    }
    if args.next_if(|word| word == "export").is_some() {
        return match export::Order::parse(args) {
            Some((order, settings)) => export::run(&order, settings.into_iter()),
            None => {
                eprintln!("{}", export::USAGE);
                ExitCode::from(2)
            }
        };
    }
    runtime::main("all-in-one", async |app, config: &AllInOneConfig| quartet::quartet::start(app, config).await)
}
