//! Gossip: how the nodes come to know of a task that serves, or does not any more (moby `libnetwork/networkdb`).
//!
//! A node that knows a piece of news tells it to a few others in each round. It stops when it has told it often enough;
//! who has not heard it by then learns it from a neighbour when their tables are compared.

use std::collections::BTreeSet;
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use sched::{Span, Time};

use crate::engine::chance::below;
use crate::engine::rng::{Seeds, Stream};
use crate::fact::{Context, Fact, TaskNo};

/// How news of tasks spreads among the nodes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct GossipModel {
    /// Time between rounds (networkdb: 200 ms); `None`: all know at once.
    pub interval: Option<Span>,
    /// Others that a node tells in a round (networkdb: 3).
    pub fanout: u32,
    /// A node tells a piece of news so many times the digits of the number of nodes (memberlist: 4); 0 is without limit.
    pub retransmit: u32,
    /// Time between comparisons of whole tables (networkdb: 30 s); zero is never.
    pub sync: Span,
}

impl GossipModel {
    /// How often a node tells a piece of news, if there is a limit (memberlist `retransmitLimit`).
    pub fn retransmits(&self, nodes: usize) -> Option<u64> {
        let digits = libm::ceil(libm::log10(nodes as f64 + 1.0)) as u64;
        (self.retransmit > 0).then(|| u64::from(self.retransmit) * digits)
    }
}

/// The next round of a piece of news.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Round {
    news: u32,
}

/// What a piece of news is about: a task, and whether it serves or does not any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subject {
    /// Which.
    pub task: TaskNo,
    /// Whether it serves.
    pub serves: bool,
}

impl Subject {
    fn heard_by(self, node: usize) -> Fact {
        Fact::NewsHeard { task: self.task, serves: self.serves, node }
    }
}

/// All news of a run.
#[derive(Clone, Debug)]
pub struct Gossip {
    model: GossipModel,
    /// Rows of the nodes of the cluster. News is spread among those that are there when it begins.
    members: BTreeSet<usize>,
    seeds: Seeds,
    count: u64,
    news: Vec<News>,
    free: Vec<u32>,
}

#[derive(Clone, Debug)]
struct News {
    since: Time,
    rounds: u32,
    rng: ChaCha8Rng,
    /// If somebody wants to know who heard of it.
    subject: Option<Subject>,
    /// Rows of the nodes that it is for.
    members: Arc<[usize]>,
    /// For each of them, in which round it heard of it.
    heard: Vec<Option<u32>>,
    /// Who knows.
    knowing: Vec<u32>,
}

impl Gossip {
    /// Among `nodes` nodes; nothing has happened.
    pub fn new(model: &GossipModel, nodes: usize, seeds: Seeds) -> Self {
        Gossip {
            model: model.clone(),
            members: (0..nodes).collect(),
            seeds,
            count: 0,
            news: Vec::new(),
            free: Vec::new(),
        }
    }

    /// A node is in the cluster from now on, or is not.
    pub fn member(&mut self, node: usize, there: bool) {
        if there {
            self.members.insert(node)
        } else {
            self.members.remove(&node)
        };
    }

    /// Something happened on a node that all shall know; with a subject, who hears of it is noted.
    pub fn news<E: From<Round>>(&mut self, cx: &mut Context<E>, node: usize, subject: Option<Subject>) {
        if let Some(subject) = subject {
            cx.tell(subject.heard_by(node));
        }
        let Some(interval) = self.model.interval.filter(|_| self.members.len() > 1) else { return };
        self.count += 1;
        // Among members that are all alike, the number of those before it is as good a name as any.
        let node = self.members.range(..node).count().min(self.members.len() - 1);
        let mut heard = vec![None; self.members.len()];
        heard[node] = Some(0);
        let rng = self.seeds.stream(Stream::Gossip, self.count);
        let members = self.members.iter().copied().collect();
        let knowing = vec![node as u32];
        let news = News { since: cx.now(), rounds: 0, rng, subject, members, heard, knowing };
        let row = match self.free.pop() {
            Some(row) => {
                self.news[row as usize] = news;
                row
            }
            None => {
                self.news.push(news);
                self.news.len() as u32 - 1
            }
        };
        cx.after(interval, Round { news: row });
    }

    /// Everybody who knows tells some others, as far as `reaches` says that one node reaches another.
    pub fn handle<E: From<Round>>(
        &mut self,
        cx: &mut Context<E>,
        round: Round,
        reaches: impl Fn(usize, usize) -> bool,
    ) {
        let Some(interval) = self.model.interval else { return };
        let piece = &mut self.news[round.news as usize];
        piece.rounds += 1;
        let nodes = piece.heard.len();
        let members = Arc::clone(&piece.members);
        let reaches = |one: usize, other: usize| reaches(members[one], members[other]);
        let before = piece.knowing.len();
        let fanout = (self.model.fanout as usize).min(nodes - 1);
        let retransmits = self.model.retransmits(nodes);
        let sync = self.model.sync.as_nanos().checked_div(interval.as_nanos()).filter(|&rounds| rounds > 0);
        let is_sync = sync.is_some_and(|every| u64::from(piece.rounds) % every == 0);
        for teller in piece.knowing.clone() {
            let told = u64::from(piece.rounds - 1 - piece.heard[teller as usize].unwrap_or(0)) * fanout as u64;
            let left = retransmits.map_or(fanout, |limit| fanout.min(limit.saturating_sub(told) as usize));
            piece.tell(teller as usize, left, nodes, &reaches);
        }
        if is_sync {
            // Everybody compares tables with somebody, in both directions.
            for node in 0..nodes {
                let other = piece.other(node, nodes);
                if (piece.heard[node].is_some() || piece.heard[other].is_some()) && reaches(node, other) {
                    piece.hear(node);
                    piece.hear(other);
                }
            }
        }
        if let Some(subject) = piece.subject {
            let new = piece.knowing[before..].iter().map(|place| piece.members[*place as usize]);
            new.for_each(|node| cx.tell(subject.heard_by(node)));
        }
        if piece.knowing.len() == nodes {
            cx.tell(Fact::NewsSpread(piece.rounds, cx.now() - piece.since));
            self.free.push(round.news);
            (piece.heard, piece.knowing) = (Vec::new(), Vec::new());
        } else {
            cx.after(interval, round);
        }
    }
}

impl News {
    /// A node tells `fanout` different others.
    fn tell(&mut self, node: usize, fanout: usize, nodes: usize, reaches: &impl Fn(usize, usize) -> bool) {
        let mut chosen: Vec<usize> = Vec::with_capacity(fanout);
        while chosen.len() < fanout {
            let other = self.other(node, nodes);
            if !chosen.contains(&other) {
                chosen.push(other);
                if reaches(node, other) {
                    self.hear(other);
                }
            }
        }
    }

    fn other(&mut self, node: usize, nodes: usize) -> usize {
        let other = below(&mut self.rng, nodes as u64 - 1) as usize;
        if other < node { other } else { other + 1 }
    }

    fn hear(&mut self, node: usize) {
        if self.heard[node].is_none() {
            self.heard[node] = Some(self.rounds);
            self.knowing.push(node as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean rounds until all of `nodes` know.
    fn rounds(model: &GossipModel, nodes: usize, news: u32) -> f64 {
        each(model, nodes, news).iter().sum::<f64>() / f64::from(news)
    }

    /// Rounds until all of `nodes` know, of each piece of news.
    fn each(model: &GossipModel, nodes: usize, news: u32) -> Vec<f64> {
        let mut gossip = Gossip::new(model, nodes, Seeds::of(1, 1));
        let mut cx: Context<Round> = Context::new();
        for number in 0..news {
            gossip.news(&mut cx, number as usize % nodes, None);
        }
        while let Some((_, round)) = cx.pop() {
            gossip.handle(&mut cx, round, |_, _| true);
        }
        let rounds = cx.take_facts().into_iter().filter_map(|fact| match fact {
            Fact::NewsSpread(rounds, _) => Some(f64::from(rounds)),
            _ => None,
        });
        let rounds: Vec<f64> = rounds.collect();
        assert_eq!(rounds.len(), news as usize);
        rounds
    }

    fn unlimited(fanout: u32) -> GossipModel {
        let interval = Some(Span::from_millis(200));
        GossipModel { interval, fanout, retransmit: 0, sync: Span::ZERO }
    }

    #[test]
    fn all_know_after_as_many_rounds_as_the_markov_chain_says() {
        // Exact: the number of nodes that know is a Markov chain.
        assert!((rounds(&unlimited(1), 20, 3000) - 8.041986).abs() < 0.1);
        assert!((rounds(&unlimited(3), 32, 3000) - 4.296374).abs() < 0.05);
        assert_eq!(rounds(&unlimited(9), 5, 3), 1.0, "one tells all");
    }

    #[test]
    fn news_does_not_cross_a_split() {
        let model = unlimited(3);
        let mut gossip = Gossip::new(&model, 10, Seeds::of(1, 1));
        let mut cx: Context<Round> = Context::new();
        let subject = Subject { task: TaskNo(7), serves: true };
        gossip.news(&mut cx, 0, Some(subject));
        for _ in 0..100 {
            let (_, round) = cx.pop().expect("it goes on");
            gossip.handle(&mut cx, round, |one, other| (one < 5) == (other < 5));
        }
        let node = |fact| match fact {
            Fact::NewsHeard { task: TaskNo(7), serves: true, node } => node,
            other => panic!("{other:?}"),
        };
        let mut heard: Vec<usize> = cx.take_facts().into_iter().map(node).collect();
        heard.sort_unstable();
        assert_eq!(heard, [0, 1, 2, 3, 4]);
        while let Some((_, round)) = cx.pop() {
            gossip.handle(&mut cx, round, |_, _| true);
        }
        let facts = cx.take_facts();
        assert!(facts.len() == 6 && matches!(facts[5], Fact::NewsSpread(..)), "{facts:?}");
    }

    #[test]
    fn a_node_tells_a_piece_of_news_as_often_as_the_limit_says() {
        // 200 nodes have three digits: twelve times, in rounds of five, five and two.
        let model = GossipModel { retransmit: 4, ..unlimited(5) };
        let mut gossip = Gossip::new(&model, 200, Seeds::of(1, 1));
        let mut cx: Context<Round> = Context::new();
        gossip.news(&mut cx, 7, None);
        let mut rounds = Vec::new();
        for _ in 0..5 {
            let (_, round) = cx.pop().expect("it goes on");
            let told = std::cell::Cell::new(0);
            // Nobody hears, so that one alone tells.
            gossip.handle(&mut cx, round, |_, _| {
                told.update(|told| told + 1);
                false
            });
            rounds.push(told.get());
        }
        assert_eq!(rounds, [5, 5, 2, 0, 0]);
    }

    #[test]
    fn who_is_forgotten_learns_it_when_tables_are_compared() {
        let once = GossipModel { retransmit: 1, sync: Span::from_secs(30), ..unlimited(1) };
        // Told three times each, the news does not reach everybody before the tables are compared, every 150 rounds.
        let rounds = each(&once, 200, 20);
        assert!(rounds.iter().all(|round| round % 150.0 == 0.0), "{rounds:?}");
    }
}
