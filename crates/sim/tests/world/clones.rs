//! A run that is cloned at any moment ends as its original does, and so does its clone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sim::scenario::{self, Scenario};
use sim::simulation::Simulation;

/// The shipped incidents use every model: managers and gossip, broken networks, registries, jobs, autoscalers, joins.
fn incidents() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/incidents");
    let files = std::fs::read_dir(folder).expect("the incidents ship with the project");
    let mut files: Vec<PathBuf> = files.map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    files
}

fn world(scenario: &Arc<Scenario>, replication: u32) -> Simulation {
    Simulation::new(Arc::clone(scenario), &scenario.strategies[0], replication).expect("a strategy of the list")
}

#[test]
fn a_run_cloned_at_random_moments_ends_as_its_original() {
    fn may_go_to_another_thread<T: Send>(value: T) -> T {
        value
    }
    let files = incidents();
    assert!(30 <= files.len(), "there are only {} incidents", files.len());
    for (seed, file) in files.iter().enumerate() {
        let scenario = Arc::new(scenario::load(file).expect("a good scenario"));
        let mut rng = ChaCha8Rng::seed_from_u64(seed as u64);
        let mut counted = world(&scenario, 1);
        let mut events = 0;
        while counted.step() {
            events += 1;
        }
        let whole = counted.finish();
        assert_eq!(whole, world(&scenario, 1).finish(), "{}", file.display());
        let mut moments: Vec<u64> = (0..3).map(|_| rng.next_u64() % (events + 1)).collect();
        moments.sort_unstable();
        let mut original = world(&scenario, 1);
        let mut done = 0;
        for moment in moments {
            while done < moment {
                assert!(original.step(), "{}", file.display());
                done += 1;
            }
            let clone = may_go_to_another_thread(original.clone());
            assert_eq!(clone.finish(), whole, "a clone after {done} events of {}", file.display());
        }
        assert_eq!(original.finish(), whole, "the original of clones of {}", file.display());
    }
}
