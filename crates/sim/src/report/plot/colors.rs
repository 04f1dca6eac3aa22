//! Which colour and dashes everything has: one look for each strategy, the same in every picture.

use plotters::style::RGBColor;

use crate::engine::chance::hash;

/// Text and axes.
pub const INK: RGBColor = RGBColor(30, 30, 30);
/// Less important text, event lines.
pub const GREY: RGBColor = RGBColor(100, 100, 100);
/// Grid lines.
pub const GRID: RGBColor = RGBColor(224, 224, 224);

/// How a strategy looks in every picture: colour and dashes differ, so that neither is needed.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// A colour of Okabe and Ito's palette.
    pub color: RGBColor,
    /// Lengths of dash, gap, dash, …; empty is a solid line.
    pub dashes: &'static [i32],
}

/// The first looks. What is drawn with more strategies has names beside it.
pub const LOOKS: [Look; 6] = [
    Look { color: RGBColor(0, 114, 178), dashes: &[] },
    Look { color: RGBColor(213, 94, 0), dashes: &[44, 20] },
    Look { color: RGBColor(0, 158, 115), dashes: &[8, 18] },
    Look { color: RGBColor(204, 121, 167), dashes: &[44, 18, 8, 18] },
    Look { color: RGBColor(230, 159, 0), dashes: &[80, 24] },
    Look { color: RGBColor(86, 180, 233), dashes: &[20, 20] },
];

/// Strategies that ship, by whose places here they look the same in every picture of every scenario.
const KNOWN: &[&str] = &[
    "spread",
    "binpack",
    "random",
    "spread-even",
    "two-choices",
    "worst-fit",
    "cache-aware",
    "dominant-fit",
    "domains",
    "guarded",
    "kubernetes",
    "nomad",
    "reschedule",
    "wait",
    "standby",
    "prepull",
    "rebalance",
    "drain-start-first",
    "marathon",
    "standby + drain",
    "wait + rebalance",
];

/// Every colour with every kind of dashes.
const ALL: usize = LOOKS.len() * LOOKS.len();

/// The look of a number: the first ones, then the same colours with other dashes.
pub fn look(number: usize) -> Look {
    let (turn, place) = (number / LOOKS.len(), number % LOOKS.len());
    Look { color: LOOKS[place].color, dashes: LOOKS[(place + turn) % LOOKS.len()].dashes }
}

/// The numbers of the looks of strategies, all different as far as there are as many. That of one that ships is always the same,
/// that of another follows from its name, unless somebody in the list has that already.
pub fn looks(strategies: &[String]) -> Vec<usize> {
    let known = |name: &String| KNOWN.iter().position(|known| known == name);
    let mut taken: Vec<usize> = strategies.iter().filter_map(known).collect();
    let own = |name: &String| {
        let first = (hash(name.as_bytes()) % ALL as u64) as usize;
        let free = (first..first + ALL).map(|number| number % ALL).find(|number| !taken.contains(number));
        let number = free.unwrap_or(first);
        taken.push(number);
        number
    };
    let mut own = own;
    strategies.iter().map(|name| known(name).unwrap_or_else(|| own(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strategy_looks_the_same_whatever_its_place_and_no_two_look_the_same() {
        let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        let (one, other) =
            (looks(&names(&["spread", "mine", "binpack"])), looks(&names(&["binpack", "spread", "mine"])));
        assert_eq!((one[0], one[1], one[2]), (other[1], other[2], other[0]));
        let many: Vec<String> = (0..ALL - KNOWN.len()).map(|number| format!("own-{number}")).collect();
        let mut all = looks(&[names(KNOWN), many].concat());
        all.sort_unstable();
        assert_eq!(all, (0..ALL).collect::<Vec<_>>());
        let mut looks: Vec<String> = all.iter().map(|number| format!("{:?}", look(*number))).collect();
        looks.sort_unstable();
        looks.dedup();
        assert_eq!(looks.len(), ALL);
    }
}
