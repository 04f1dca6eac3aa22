//! `[[image]]`: images and their layers, and layers for images that nobody described.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rand_chacha::ChaCha8Rng;
use sched::Reference;

use super::pattern::expand;
use super::pool::Selectors;
use super::service::exits;
use super::value::{Table, Value};
use super::{Exit, Image, Layer, inspect};
use crate::engine::chance::{below_by_remainder, normal, of_name};
use crate::outside::{self, LARGEST_TEXT};

pub(super) const IMAGE: &[&str] =
    &["name", "count", "size", "layers", "from", "base", "present", "missing", "corrupt", "exits"];
pub(super) const LAYER: &[&str] = &["digest", "size", "unpacked"];

/// Bytes of a layer or an image at most: far more than any registry takes.
const LARGEST: u64 = 1 << 40;
/// Images of a pattern at most.
const IMAGES: u64 = 100_000;
/// moby `layer/layer_store.go`, `maxLayerDepth`.
const DEEPEST: usize = 125;

/// Layers of an image that does not say: from 5 to 11, so 8 in the median, as in the 167 TB of Docker Hub that Zhao et
/// al. looked at (IEEE CLUSTER 2019).
const LAYERS: (u64, u64) = (5, 11);
/// Compressed size of an image that does not say: median and sigma of a lognormal law, and its bounds. Our choice.
const SIZE: (f64, f64) = (100e6, 0.8);
const SIZE_BOUNDS: (f64, f64) = (5e6, 1e9);
/// Sigma of the weights by which the layers of an image share its size: a few are large.
const WEIGHT_SIGMA: f64 = 1.5;
/// Unpacked bytes per compressed byte, in tenths (Zhao et al.: 2.6).
const UNPACKED_TENTHS: u64 = 26;

/// The described images by name, of which an image has one however it is written.
pub(super) fn images(tables: &[Table<'_>], folder: &Path, nodes: &Selectors<'_>) -> BTreeMap<String, Image> {
    let mut drafts: BTreeMap<String, Draft<'_>> = BTreeMap::new();
    let mut read = Vec::new();
    for table in tables {
        read.extend(read_images(table, folder).into_iter().map(|draft| (table, draft)));
    }
    for (table, draft) in read {
        let name = Reference::name_of(&draft.name);
        if drafts.contains_key(&name)
            && let Some(value) = table.get("name")
        {
            value.complain(format!("there is already an image `{}`", draft.name));
            continue;
        }
        drafts.insert(name, draft);
    }
    let resolve = |(name, draft): (&String, &Draft<'_>)| {
        let layers = layers_of(draft, &drafts);
        let corrupt = draft.corrupt.as_ref().and_then(|value| value.count(1..=layers.len().max(1) as u64));
        let image = Image {
            name: draft.name.clone(),
            layers,
            present: draft.present.as_ref().map(|value| nodes.rows(value)).unwrap_or_default(),
            missing: draft.missing,
            corrupt: corrupt.map(|number| number as usize - 1),
            exit: draft.exit,
        };
        (name.clone(), image)
    };
    drafts.iter().map(resolve).collect()
}

/// An image of which only the name is known: the same name has the same layers, in every scenario.
pub(super) fn implied(name: &str) -> Image {
    let one_name = Reference::name_of(name);
    let mut rng = of_name(&one_name);
    let size = (SIZE.0 * libm::exp(SIZE.1 * normal(&mut rng))).clamp(SIZE_BOUNDS.0, SIZE_BOUNDS.1);
    Image { name: name.to_string(), layers: split_as_usual(&one_name, size as u64), ..Image::default() }
}

struct Draft<'a> {
    name: String,
    layers: Vec<Layer>,
    base: Option<Value<'a>>,
    present: Option<Value<'a>>,
    missing: bool,
    corrupt: Option<Value<'a>>,
    exit: Option<Exit>,
}

/// One image, or so many with names of a pattern.
fn read_images<'a>(table: &Table<'a>, folder: &Path) -> Vec<Draft<'a>> {
    let count = table.read("count", |value| value.count(0..=IMAGES)).unwrap_or(1);
    let Some(pattern) = table.need("name", Value::text) else { return Vec::new() };
    let mut drafts = Vec::new();
    for i in 0..count {
        match expand(pattern, i) {
            Ok(name) => drafts.extend(read_image(table, folder, name)),
            Err(error) => {
                table.get("name").iter().for_each(|value| value.complain(&error));
                break;
            }
        }
        // What is wrong with one is wrong with all.
        if table.sink.any() {
            break;
        }
    }
    drafts
}

fn read_image<'a>(table: &Table<'a>, folder: &Path, name: String) -> Option<Draft<'a>> {
    if let (Err(why), Some(value)) = (Reference::parse(&name), table.get("name")) {
        value.complain(format!("`{name}`: {why}"));
        return None;
    }
    let size = table.read("size", bytes);
    let listed = table.get("layers");
    if let (Some(value), Some(_)) = (&listed, table.get("size")) {
        value.complain("give either `size` or `layers`");
    }
    if let Some(value) = table.get("from")
        && (listed.is_some() || table.get("size").is_some())
    {
        value.complain("give one of `size`, `layers` and `from`");
    }
    let printed = table.read("from", |value| {
        let file = value.text()?;
        let read = outside::read_text(&folder.join(file), LARGEST_TEXT).map_err(|error| error.to_string());
        let read = read.and_then(|text| inspect::layers(&name, &text));
        read.map_err(|error| value.complain(format!("cannot use `{file}`: {error}"))).ok()
    });
    let layers = match (listed, size) {
        _ if table.get("from").is_some() => printed.unwrap_or_default(),
        (Some(value), _) => {
            let items = value.list();
            if DEEPEST < items.len() {
                value.complain(format!("more than {DEEPEST} layers"));
                return None;
            }
            items.iter().enumerate().filter_map(|(number, item)| read_layer(&name, number, item)).collect()
        }
        (None, Some(size)) => split_as_usual(&Reference::name_of(&name), size),
        (None, None) => implied(&name).layers,
    };
    let missing = table.read("missing", Value::boolean).unwrap_or(false);
    let (base, present, corrupt) = (table.get("base"), table.get("present"), table.get("corrupt"));
    let exit = table.read("exits", exits);
    Some(Draft { name, layers, base, present, missing, corrupt, exit })
}

pub(super) fn bytes(value: &Value<'_>) -> Option<u64> {
    let bytes = value.image_bytes()?;
    if LARGEST < bytes {
        return value.expected("a size of at most 1TiB");
    }
    Some(bytes)
}

fn read_layer(image: &str, number: usize, value: &Value<'_>) -> Option<Layer> {
    if !value.is_table() {
        return bytes(value).map(|size| layer(image, number, size));
    }
    let table = value.table(LAYER)?;
    let default = layer(image, number, table.need("size", bytes)?);
    Some(Layer {
        digest: table.read("digest", Value::text).map_or(default.digest, str::to_string),
        size: default.size,
        unpacked: table.read("unpacked", bytes).unwrap_or(default.unpacked),
    })
}

/// The layers of an image on top of those of its base.
fn layers_of(image: &Draft<'_>, drafts: &BTreeMap<String, Draft<'_>>) -> Vec<Layer> {
    let mut from_top = vec![image];
    let mut seen = BTreeSet::from([image.name.as_str()]);
    while let Some(value) = &from_top[from_top.len() - 1].base {
        let Some(name) = value.text() else { break };
        let Some(base) = drafts.get(&Reference::name_of(name)) else {
            // Every image on top of it meets the same gap; only the one that says so is blamed.
            if from_top.len() == 1 {
                value.complain_with(
                    format!("no image `{name}`"),
                    value.sink.suggest(name, drafts.keys().map(String::as_str)),
                );
            }
            break;
        };
        if !seen.insert(base.name.as_str()) {
            value.complain("an image cannot be its own base");
            break;
        }
        from_top.push(base);
        if DEEPEST < from_top.iter().map(|draft| draft.layers.len()).sum() || DEEPEST < from_top.len() {
            value.complain(format!("more than {DEEPEST} layers together with its base"));
            break;
        }
    }
    from_top.iter().rev().flat_map(|draft| draft.layers.iter().cloned()).collect()
}

pub(super) fn layer(image: &str, number: usize, size: u64) -> Layer {
    Layer { digest: format!("{image}#{}", number + 1), size, unpacked: unpacked(size) }
}

/// Bytes on disk of so many compressed ones, and the other way round, where only one is known.
pub(super) fn unpacked(size: u64) -> u64 {
    u64::try_from(u128::from(size) * u128::from(UNPACKED_TENTHS) / 10).unwrap_or(u64::MAX)
}

/// See [`unpacked`].
pub(super) fn packed(unpacked: u64) -> u64 {
    u64::try_from(u128::from(unpacked) * 10 / u128::from(UNPACKED_TENTHS)).unwrap_or(u64::MAX)
}

/// As many layers as is usual that share a size; the same for every use of the name.
fn split_as_usual(name: &str, size: u64) -> Vec<Layer> {
    let mut rng = of_name(name);
    // The draw of the size in `implied` comes first there, too: layers do not depend on who asks.
    normal(&mut rng);
    let count = LAYERS.0 + below_by_remainder(&mut rng, LAYERS.1 - LAYERS.0 + 1);
    share(name, count, size, rng)
}

/// So many layers that share a size.
pub(super) fn split(name: &str, count: u64, size: u64) -> Vec<Layer> {
    share(name, count, size, of_name(name))
}

fn share(name: &str, count: u64, size: u64, mut rng: ChaCha8Rng) -> Vec<Layer> {
    let weights: Vec<f64> = (0..count).map(|_| libm::exp(WEIGHT_SIGMA * normal(&mut rng))).collect();
    let total: f64 = weights.iter().sum();
    let mut left = size;
    let mut layers: Vec<Layer> = Vec::new();
    for (number, weight) in weights.iter().enumerate() {
        let last = number + 1 == weights.len();
        let share = if last { left } else { ((size as f64 * weight / total) as u64).min(left) };
        left -= share;
        layers.push(layer(name, number, share));
    }
    layers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn implied_images_are_typical_and_depend_on_the_name_only() {
        let images: Vec<Image> = (0..501).map(|i| implied(&format!("app-{i}"))).collect();
        let mut sizes: Vec<u64> =
            images.iter().map(|image| image.layers.iter().map(|layer| layer.size).sum()).collect();
        let mut counts: Vec<usize> = images.iter().map(|image| image.layers.len()).collect();
        sizes.sort_unstable();
        counts.sort_unstable();
        assert_eq!(counts[250], 8);
        assert!((80_000_000..125_000_000).contains(&sizes[250]), "{}", sizes[250]);
        assert!(5_000_000 <= sizes[0] && sizes[500] <= 1_000_000_000);
        assert_eq!(images[7], implied("app-7"));
        assert_ne!(images[7].layers, images[8].layers);
    }

    #[test]
    fn a_size_is_shared_without_a_remainder() {
        let layers = split_as_usual("app", 1_000_003);
        assert_eq!(layers.iter().map(|layer| layer.size).sum::<u64>(), 1_000_003);
        assert_eq!(split_as_usual("app", 0).iter().map(|layer| layer.size).sum::<u64>(), 0);
        assert_eq!(layer("app", 0, 10), Layer { digest: "app#1".into(), size: 10, unpacked: 26 });
    }
}
