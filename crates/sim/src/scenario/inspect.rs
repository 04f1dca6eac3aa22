//! Layers of images as Docker's tools print them: `docker manifest inspect` (with `-v` too) and `docker image inspect`.

use serde_json::Value as Json;

use super::Layer;
use super::image::{packed, split, unpacked};

/// The layers in a printed text, or why there are none.
///
/// A manifest has compressed sizes; `docker image inspect` has the unpacked size of the whole, which is shared out among
/// the layers that it names as if nothing were known of them.
pub(super) fn layers(name: &str, text: &str) -> Result<Vec<Layer>, String> {
    let json: Json = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
    let json = one(&json)?;
    if let Some(layers) = json["layers"].as_array() {
        return layers.iter().map(layer).collect();
    }
    if json["manifests"].is_array() {
        return Err("a list of manifests has no layers: take the manifest of one platform".into());
    }
    let digests = json["RootFS"]["Layers"].as_array();
    let (Some(size), Some(digests)) = (json["Size"].as_u64(), digests) else {
        return Err("it is neither a manifest nor the inspection of an image".into());
    };
    let digests: Option<Vec<&str>> = digests.iter().map(Json::as_str).collect();
    let digests = digests.ok_or("a layer without a digest")?;
    let layers = split(name, digests.len() as u64, size).into_iter().zip(digests);
    Ok(layers
        .map(|(layer, digest)| Layer { digest: digest.into(), size: packed(layer.size), unpacked: layer.size })
        .collect())
}

/// Of a list the entry for Linux on amd64, or the only one; of what `-v` prints the manifest inside.
fn one(json: &Json) -> Result<&Json, String> {
    let json = match json.as_array().map(Vec::as_slice) {
        None => json,
        Some([only]) => only,
        Some(many) => {
            let platform = |manifest: &&Json| {
                let platform = manifest.pointer("/Descriptor/platform").unwrap_or(&manifest["Platform"]);
                platform["os"] == "linux" && platform["architecture"] == "amd64"
            };
            many.iter().find(platform).ok_or("there is no entry for linux/amd64 in the list")?
        }
    };
    Ok(["SchemaV2Manifest", "OCIManifest"].iter().find_map(|key| json.get(key)).unwrap_or(json))
}

fn layer(json: &Json) -> Result<Layer, String> {
    let (Some(digest), Some(size)) = (json["digest"].as_str(), json["size"].as_u64()) else {
        return Err("a layer without digest and size".into());
    };
    Ok(Layer { digest: digest.into(), size, unpacked: unpacked(size) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_give_compressed_sizes() {
        let plain = r#"{"schemaVersion": 2, "layers": [{"size": 972, "digest": "sha256:b0"}, {"size": 28, "digest": "sha256:b1"}]}"#;
        let verbose = format!(r#"{{"Ref": "x", "SchemaV2Manifest": {plain}, "Platform": {{"os": "linux"}}}}"#);
        let list = format!(
            r#"[{{"Platform": {{"os": "linux", "architecture": "arm"}}}},
                {{"Platform": {{"os": "linux", "architecture": "amd64"}}, "OCIManifest": {plain}}}]"#
        );
        for text in [plain, &verbose, &list] {
            let layers = layers("x", text).unwrap();
            assert_eq!(layers[0], Layer { digest: "sha256:b0".into(), size: 972, unpacked: 2527 });
            assert_eq!(layers.len(), 2);
        }
    }

    #[test]
    fn an_inspection_gives_the_unpacked_whole() {
        let text =
            r#"[{"Size": 260000, "RootFS": {"Type": "layers", "Layers": ["sha256:1", "sha256:2", "sha256:3"]}}]"#;
        let layers = layers("x", text).unwrap();
        assert_eq!(layers.iter().map(|layer| layer.unpacked).sum::<u64>(), 260_000);
        assert!((99_990..=100_000).contains(&layers.iter().map(|layer| layer.size).sum::<u64>()));
        assert_eq!(layers[2].digest, "sha256:3");
    }

    #[test]
    fn what_has_no_layers_is_refused() {
        for (text, words) in [
            ("{", "it is not JSON"),
            (r#"{"manifests": []}"#, "a list of manifests has no layers"),
            (r#"[{"Platform": {}}, {}]"#, "there is no entry for linux/amd64"),
            ("{}", "neither a manifest nor"),
            (r#"{"layers": [{}]}"#, "a layer without digest and size"),
        ] {
            assert!(layers("x", text).unwrap_err().starts_with(words) || words.starts_with("neither"), "{text}");
        }
    }
}
