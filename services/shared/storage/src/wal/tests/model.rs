//! Random lives of a log, compared with a simple model.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const TENANTS: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Debug)]
enum Step {
    /// Rows, acknowledged.
    Append {
        tenant: usize,
        len: usize,
    },
    /// Rows that nobody waits for.
    AppendLoosely {
        tenant: usize,
        len: usize,
    },
    /// A cut of all there is: its first mark.
    Mark {
        tenant: usize,
    },
    /// The catalog gets the blocks of a cut.
    Upload {
        cut: prop::sample::Index,
    },
    /// Blocks of a cut are read back: its second mark.
    Done {
        cut: prop::sample::Index,
    },
    Compact,
    /// The process ends, and begins again.
    Restart,
    /// The process dies; of what was not durable only a part is on the disk.
    Crash {
        cut: prop::sample::Index,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let tenant = 0..TENANTS.len();
    let step = prop_oneof![
        6 => (tenant.clone(), 0..300usize).prop_map(|(tenant, len)| Step::Append { tenant, len }),
        4 => (tenant.clone(), 0..300usize).prop_map(|(tenant, len)| Step::AppendLoosely { tenant, len }),
        3 => tenant.prop_map(|tenant| Step::Mark { tenant }),
        3 => any::<prop::sample::Index>().prop_map(|cut| Step::Upload { cut }),
        3 => any::<prop::sample::Index>().prop_map(|cut| Step::Done { cut }),
        2 => Just(Step::Compact),
        1 => Just(Step::Restart),
        2 => any::<prop::sample::Index>().prop_map(|cut| Step::Crash { cut }),
    ];
    prop::collection::vec(step, 1..60)
}

#[derive(Debug)]
struct Record {
    tenant: usize,
    payload: Vec<u8>,
    durable: bool,
}

#[derive(Debug)]
struct CutModel {
    tenant: usize,
    after: u64,
    upto: u64,
    id: BlockId,
    uploaded: bool,
    done: bool,
    /// Made by the process that lives now.
    current: bool,
}

struct Model {
    bench: Bench,
    wal: Option<Wal>,
    records: BTreeMap<u64, Record>,
    cuts: Vec<CutModel>,
    /// File and length up to which everything is durable.
    durable: (PathBuf, u64),
}

impl Model {
    fn new() -> Self {
        let mut bench = Bench::new(900);
        bench.config.rewrite_below = 0.7;
        let wal = Some(bench.reopen().0);
        Self { bench, wal, records: BTreeMap::new(), cuts: Vec::new(), durable: (PathBuf::new(), 0) }
    }

    fn wal(&self) -> &Wal {
        self.wal.as_ref().unwrap()
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Append { tenant, len } => {
                self.append(*tenant, *len).durable.wait().unwrap();
                self.all_durable();
            }
            Step::AppendLoosely { tenant, len } => drop(self.append(*tenant, *len)),
            Step::Mark { tenant } => self.mark(*tenant),
            Step::Upload { cut } => {
                if !self.cuts.is_empty() {
                    let cut = cut.index(self.cuts.len());
                    self.cuts[cut].uploaded = true;
                }
            }
            Step::Done { cut } => self.done(*cut),
            Step::Compact => {
                self.wal().compact().unwrap();
            }
            Step::Restart => {
                self.wal = None;
                self.all_durable();
                self.restart()?;
            }
            Step::Crash { cut } => {
                self.wal = None;
                self.tear(*cut);
                self.restart()?;
            }
        }
        Ok(())
    }

    fn append(&mut self, tenant: usize, len: usize) -> Appended {
        let payload = vec![u8::try_from(len % 251).unwrap(); len];
        let appended = append_loosely(self.wal(), TENANTS[tenant], &payload).unwrap();
        self.records.insert(appended.seq.0, Record { tenant, payload, durable: false });
        appended
    }

    fn mark(&mut self, tenant: usize) {
        let after = self.cuts.iter().filter(|cut| cut.current && cut.tenant == tenant).map(|cut| cut.upto).max().unwrap_or(0);
        let Some((&upto, _)) = self.records.range(after + 1..).rfind(|(_, record)| record.tenant == tenant) else { return };
        let id = id(self.cuts.len() as u128);
        self.wal().mark(&super::tenant(TENANTS[tenant]), Seq(upto), &[id]).unwrap().durable.wait().unwrap();
        self.cuts.push(CutModel { tenant, after, upto, id, uploaded: false, done: false, current: true });
        self.all_durable();
    }

    fn done(&mut self, cut: prop::sample::Index) {
        let mut ready: Vec<_> = self.cuts.iter_mut().filter(|cut| cut.current && cut.uploaded && !cut.done).collect();
        if ready.is_empty() {
            return;
        }
        let cut = cut.index(ready.len());
        let cut = &mut *ready[cut];
        cut.done = true;
        let (name, upto, id) = (super::tenant(TENANTS[cut.tenant]), Seq(cut.upto), cut.id);
        self.wal().mark_done(&name, upto, &[id]).unwrap().durable.wait().unwrap();
        self.all_durable();
    }

    fn all_durable(&mut self) {
        self.records.values_mut().for_each(|record| record.durable = true);
        let last = self.bench.files().pop().unwrap();
        let len = fs::metadata(&last).unwrap().len();
        self.durable = (last, len);
    }

    /// Cuts the last file somewhere behind what is durable.
    fn tear(&self, at: prop::sample::Index) {
        let last = self.bench.files().pop().unwrap();
        let len = fs::metadata(&last).unwrap().len();
        // Older segments may have been removed since, and this happens only when the header of a newer one is durable.
        let safe = if last == self.durable.0 { self.durable.1 } else { len.min(frame::PREAMBLE as u64) };
        let left = usize::try_from(len - safe).unwrap();
        let keep = safe + at.index(left + 1) as u64;
        fs::OpenOptions::new().write(true).open(&last).unwrap().set_len(keep).unwrap();
    }

    fn covered(&self, seq: u64, record: &Record) -> bool {
        let covers = |cut: &CutModel| cut.tenant == record.tenant && cut.after < seq && seq <= cut.upto && (cut.done || cut.uploaded);
        self.cuts.iter().any(covers)
    }

    fn restart(&mut self) -> Result<(), TestCaseError> {
        let (wal, replay) = self.bench.open();
        let known: Vec<BlockId> = self.cuts.iter().filter(|cut| cut.uploaded).map(|cut| cut.id).collect();
        let rows: Vec<Row> = replay.rows(|_, id| known.contains(id)).collect();
        self.wal = Some(wal);
        self.cuts.iter_mut().for_each(|cut| cut.current = false);

        prop_assert!(rows.is_sorted_by(|a, b| a.seq < b.seq), "each row once, in order");
        let found: BTreeMap<u64, &Row> = rows.iter().map(|row| (row.seq.0, row)).collect();
        for (seq, row) in &found {
            let Some(record) = self.records.get(seq) else { return Err(TestCaseError::fail(format!("{seq} was never appended"))) };
            prop_assert_eq!((TENANTS[record.tenant], &record.payload[..]), (row.tenant.as_str(), &row.payload[..]));
            prop_assert!(!self.covered(*seq, record), "{} is in a block", seq);
        }
        let lost: Vec<u64> = self.records.keys().filter(|seq| !found.contains_key(seq)).copied().collect();
        for seq in lost {
            let record = &self.records[&seq];
            let covered = self.covered(seq, record);
            prop_assert!(covered || !record.durable, "{} was acknowledged and is lost", seq);
            if !covered {
                self.records.remove(&seq);
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_was_acknowledged_and_is_in_no_block_comes_back_once(steps in steps()) {
        let mut model = Model::new();
        for step in &steps {
            model.step(step)?;
        }
        model.step(&Step::Restart)?;
        prop_assert_eq!(model.bench.instruments.corruptions.get(), 0);
    }
}
