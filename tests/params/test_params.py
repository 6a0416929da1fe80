import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from pipeline.errors import InputError
from pipeline.params import Params, load_params

ROOT = Path(__file__).parents[2]

# what a person may get wrong, and the line that follows `params.yaml: `
WRONG = {
    "flwo: {}": "flwo: unknown key; did you mean 'flow'? accepted are study, seed, layers, data, style, backbone, "
    "judge, latents, flow, train, tune, evaluate, interpret, machine",
    "data: {warp: {rotat: 3}}": "data.warp.rotat: unknown key; did you mean 'rotate'? "
    "accepted are rotate, translate, scale, shear",
    "latents: {xyz: 3}": "latents.xyz: unknown key; accepted are batch_size, reduce, channels, jitter",
    "flow: {sizes: [16, 8, 7]}": "flow.sizes: [16, 8, 7] sum to 31, expected backbone.num_dims = 32",
    "flow: {sizes: [16, 16]}": "flow.sizes: found 2 sizes, expected 3: residual, digit, colour",
    "flow: {sizes: [32, 0, 0]}": "flow.sizes.1: found 0: input should be greater than or equal to 1",
    "flow: {start: closed}": "flow.start: found 'closed': input should be 'closed_form' or 'random'",
    "flow: {sizes: estimat}": "flow.sizes: found 'estimat': input should be 'estimate' or 'spectrum' or input "
    "should be a list",
    "backbone: {num_dims: 2}": "data.concepts: 2 concepts and the residual need at least 3 dimensions, "
    "but backbone.num_dims is 2",
    "data: {concepts: [digit, colour, digit]}": "data.concepts: found ['digit', 'colour', 'digit']: "
    "concept 'digit' is named twice; each concept may be named once",
    "data: {concepts: [residual]}": "data.concepts: found ['residual']: "
    "'residual' is the name of factor 0; a concept needs another name",
    "data: {concepts: [a/b]}": "data.concepts: found ['a/b']: the name 'a/b' holds '/', which a concept's name may "
    "not; rename the column",
    'data: {concepts: ["age:"]}': "data.concepts: found ['age:']: the name 'age:' holds ':', which a concept's name "
    "may not; rename the column",
    'data: {concepts: [" age"]}': "data.concepts: found [' age']: the name ' age' has no letter or digit, a space at "
    "an end, or a sign that can't be printed; rename the column",
    "data: {concepts: [..]}": "data.concepts: found ['..']: the name '..' has no letter or digit, a space at an "
    "end, or a sign that can't be printed; rename the column",
    f"data: {{concepts: [{'a' * 81}]}}": f"data.concepts: found ['{'a' * 81}']: the name '{'a' * 81}' has 81 "
    "characters, accepted are 80; rename the column",
    "data: {concepts: [old?, Old!]}": "data.concepts: found ['old?', 'Old!']: 'old?' and 'Old!' would have one name "
    "in files; rename a column",
    "data: {concepts: [Residual]}": "data.concepts: found ['Residual']: 'residual' and 'Residual' would have one name "
    "in files; rename a column",
    "data: {source: parquet, path: a, image_range: [5, 5]}": "data.image_range: found [5, 5]: expected are two values, "
    "black and white, of which the first is smaller",
    "data: {image_range: [0, 4095]}": "data.image_range: found [0.0, 4095.0], but data.source is 'colormnist'; it is "
    "read by image_folder, parquet",
    "data: {concepts: digit}": "data.concepts: found 'digit': input should be a list",
    "data: {max_images: 50}": "data.max_images: found 50: input should be greater than or equal to 100",
    "data: {max_images: many}": "data.max_images: found 'many': input should be a valid integer",
    "data: {val_share: 0.6, test_share: 0.4}": "data.val_share: 0.6 and data.test_share = 0.4 leave no training "
    "images, expected a sum below 1",
    "latents: {reduce: max}": "latents.reduce: found 'max': input should be 'mean', 'none' or the number of a token, "
    "such as 'token 0' or input should be a section of keys and values",
    "latents: {reduce: token 01}": "latents.reduce: found 'token 01': input should be 'mean', 'none' or the number of "
    "a token, such as 'token 0' or input should be a section of keys and values",
    "latents: {reduce: {pca: 1}}": "latents.reduce.pca: found 1: input should be greater than or equal to 2",
    "latents: {reduce: {pca: 8}}": "latents.reduce: found 'pca 8', but backbone.kind is 'autoencoder': all 32 numbers "
    "of its latent (backbone.num_dims) enter the flow; accepted are 'mean' and 'none'",
    "latents: {channels: middle}": "latents.channels: found 'middle': input should be 'auto', 'first' or 'last'",
    "backbone: {num_dims: 2049}": "flow.mixing: found 'rotation' of 2049 dimensions (backbone.num_dims), which takes "
    "up to 2048; accepted above is shuffle",
    "backbone: {num_dims: 5000}": "backbone.num_dims: found 5000: input should be less than or equal to 4096",
    "data: {source: cifar}": "data.source: found 'cifar': input should be 'colormnist', 'mnist', "
    "'fashion_mnist', 'cifar10', 'celeba', 'image_folder', 'parquet' or 'generator'",
    "data: {source: parquet}": "data.path: source 'parquet' needs a file, folder or glob",
    "data: {path: images}": "data.path: found 'images', but data.source is 'colormnist'; it is read by image_folder, "
    "parquet",
    "data: {source: image_folder, path: photos, image_size: 12}": "data.image_size: found 12, but backbone.kind is "
    "'autoencoder', which takes images of 16 to 128 pixels",
    "backbone: {kind: torch}": "backbone.network: kind 'torch' needs one, such as package.module:callable",
    "backbone: {kind: classifier}\nlayers: [head]": "backbone.concept: kind 'classifier' needs the concept whose "
    "classes it learns",
    "data: {concepts: []}\nbackbone: {kind: classifier, concept: digit}\nlayers: [head]": "backbone.concept: found "
    "'digit', accepted are data.concepts: none, as it is [], which goes with a network that needs none",
    "data: {concepts: [], leave_out: [{digit: 3, colour: red}]}": "data.leave_out: combinations are of concepts, and "
    "data.concepts is []; accepted is [] there as well",
    "data: {concepts: []}\nflow: {sizes: [16, 16]}": "flow.sizes: found 2 sizes, expected 1: residual",
    "backbone: {concept: shape}": "backbone.concept: found 'shape', accepted are data.concepts: digit, colour",
    "backbone: {kind: torchvision, network: resnet18}": "layers: found 'latent', which an autoencoder has, but "
    "backbone.kind is 'torchvision'; its layers are dotted names of modules: list them with "
    "python -m pipeline.backbone layers",
    "layers: [latent, latent]": "layers: found ['latent', 'latent']: layer 'latent' is listed twice; each may be "
    "listed once",
    "layers: [block/1, block]": "layers: found ['block/1', 'block']: the folder of layer 'block/1' would lie in that "
    "of 'block'; list one of them",
    "layers: [../x]": "layers.0: found '../x': string should match pattern "
    "'^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$'",
    "backbone: {kind: torch, network: 'a:b', output: values, concept: digit}": "backbone.concept: found 'digit', but "
    "backbone.output is 'values', which are no classes; expected none",
    "backbone: {kind: torch, network: 'a:b', output: images, class_names: l.txt}": "backbone.class_names: found "
    "'l.txt', but the network gives images, which have no classes; expected none",
    "backbone: {kind: classifier, concept: digit, output: values}": "backbone.output: found 'values', but kind "
    "'classifier' gives logits",
    "backbone: {output_range: [1, 0]}": "backbone.output_range: found [1.0, 0.0], expected black below white",
    "backbone: {output_range: [0]}": "backbone.output_range.1: found [0]: field required",
    "backbone: {output: classes}": "backbone.output: found 'classes': input should be 'logits', 'probabilities', "
    "'values' or 'images'",
    "backbone: {output_key: 1.0}": "backbone.output_key: found 1.0: input should be a valid string or input should "
    "be a valid integer",
    "backbone: {input: {channels: 1, mean: [0.5, 0.5]}}": "backbone.input.mean: found [0.5, 0.5], expected 1, "
    "one for each of backbone.input.channels",
    "backbone: {input: {channels: 2}}": "backbone.input.channels: found 2: input should be 1 or 3",
    "backbone: {input: {std: [0.5, 0.5]}}": "backbone.input.std: found [0.5, 0.5], expected 3, one for each of "
    "backbone.input.channels",
    "data:": "data: found None: input should be a section of keys and values",
    "data: 3": "data: found 3: input should be a section of keys and values",
    "backbone: {width: 12}": "backbone.width: found 12: input should be a multiple of 8",
    "judge: {width: 6}": "judge.width: found 6: input should be a multiple of 4",
    "flow: {rho: 1.0}": "flow.rho: found 1.0: input should be less than 1",
    "flow: {rho: .nan}": "flow.rho: found nan: input should be a finite number",
    "flow: {mixing: stir}": "flow.mixing: found 'stir', accepted are shuffle, rotation, learned_rotation",
    "flow: {activation: step}": "flow.activation: found 'step', accepted are silu, leaky_relu",
    "flow: {conditioner: both}": "flow.conditioner: found 'both': input should be 'shared' or 'split'",
    "flow: {num_blocks: 0}": "flow.num_blocks: found 0, accepted are integers from 1",
    "flow: {width: true}": "flow.width: found True: input should be a valid integer",
    "flow: {log_scale_bound: .inf}": "flow.log_scale_bound: found inf: input should be a finite number",
    "flow: {seed: 3}": "flow.seed: unknown key; accepted are num_blocks, width, depth, conditioner, activation, "
    "mixing, log_scale_bound, start, reach, zero_init, rho, sizes, size_method",
    "backbone: {kind: vae}": "backbone.kind: found 'vae': input should be 'autoencoder', 'classifier', 'torch', "
    "'torchvision', 'exported' or 'generator'",
    "judge: {betas: [0.9, 1.0]}": "judge.betas.1: found 1.0: input should be less than 1",
    "train: {learning_rate: .inf}": "train.learning_rate: found inf: input should be a finite number",
    "train: {learning_rate: fast}": "train.learning_rate: found 'fast': input should be a valid number",
    "train: {steps: true}": "train.steps: found True: input should be a valid integer",
    "train: {steps: '5'}": "train.steps: found '5': input should be a valid integer",
    "train: {steps: 5.5}": "train.steps: found 5.5: input should be a valid integer",
    "train: {learning_rate: true}": "train.learning_rate: found True: input should be a valid number",
    "train: {betas: [0.5, false]}": "train.betas.1: found False: input should be a valid number",
    "tune: {num_blocks: [4, true]}": "tune.num_blocks.1: found True: input should be a valid integer",
    "flow: {sizes: [16, true, 15]}": "flow.sizes.1: found True: input should be a valid integer",
    "flow: {zero_init: 1}": "flow.zero_init: found 1: input should be a valid boolean",
    "data: {max_images: false}": "data.max_images: found False: input should be a valid integer",
    "seed: true": "seed: found True: input should be a valid integer",
    "study: true": "study: found True: input should be a valid string",
    "train: {schedule: step}": "train.schedule: found 'step': input should be 'cosine' or 'constant'",
    "train: {betas: [0.9, 1.0]}": "train.betas.1: found 1.0: input should be less than 1",
    "train: {betas: [0.9]}": "train.betas.1: found [0.9]: field required",
    "train: {seeds: 0}": "train.seeds: found 0: input should be greater than or equal to 1",
    "train: {clip: 0}": "train.clip: found 0: input should be greater than 0",
    "tune: {num_blocks: [4, 4]}": "tune.num_blocks: found [4, 4]: a value is listed twice; each may be listed once",
    "tune: {scale: [1.0, 0.0]}": "tune.scale.1: found 0.0: input should be greater than 0",
    "tune: {num_blocks: []}": "tune.num_blocks: found []: list should have at least 1 item after validation, not 0",
    "tune: {sizes: []}": "tune.sizes: found [], accepted are scale, simplex, or lists of sizes, one at least",
    "tune: {sizes: cube}": "tune.sizes: found 'cube': input should be 'scale' or 'simplex' or input should be a list",
    "tune: {sizes: [[16, 7, 8]]}": "tune.sizes.0: [16, 7, 8] sum to 31, expected backbone.num_dims = 32",
    "tune: {sizes: [[16, 16]]}": "tune.sizes.0: found 2 sizes, expected 3: residual, digit, colour",
    "tune: {sizes: [[16, 0, 16]]}": "tune.sizes.0.1: found 0: input should be greater than or equal to 1",
    "tune: {sizes: [[16, 8, 8], [16, 8, 8]]}": "tune.sizes: found [[16, 8, 8], [16, 8, 8]]: a value is listed twice; "
    "each may be listed once",
    "tune: {search: bayes}": "tune.search: found 'bayes': input should be 'random', 'grid' or 'tpe'",
    "tune: {search: grid, sizes: simplex}": "tune.sizes: found 'simplex', but tune.search is 'grid', and there are too "
    "many sizes for that; accepted are scale or lists of sizes",
    "tune: {width: 64}": "tune.width: found 64: input should be a list",
    "tune: {rho: [1.0]}": "tune.rho.0: found 1.0: input should be less than 1",
    "tune: {early_stopping: halving, least: 0.5}": "tune.least: found 0.5, which leaves no rung below all steps; "
    "accepted with tune.reduction = 3 are shares up to 0.333",
    "tune: {widths: [32]}": "tune.widths: unknown key; did you mean 'width'? accepted are trials, minutes, steps, "
    "concurrent, search, generation, num_blocks, width, learning_rate, rho, weight_decay, sizes, scale, "
    "early_stopping, reduction, least",
    "evaluate: {pairs: 5}": "evaluate.pairs: found 5: input should be greater than or equal to 100",
    "interpret: {columns: 99}": "interpret.columns: found 99: input should be less than or equal to 16",
    "machine: {device: tpu}": "machine.device: found 'tpu': input should be 'auto', 'cpu' or 'cuda'",
    "machine: {memory_budget: 0}": "machine.memory_budget: found 0: input should be greater than 0",
    "machine: {memory_budget: 8GB}": "machine.memory_budget: found '8GB': input should be a valid number",
    "machine: {cache: mine}": "machine.cache: found 'mine': each node has its own, so that an absolute path is "
    "accepted",
    "machine: {workers: 0}": "machine.workers: found 0: input should be greater than or equal to 1",
    "layers: [latent, conv1]": "layers: found ['latent', 'conv1']: backbone.kind 'autoencoder' has one layer, "
    "accepted is [latent]",
    "seed: -1": "seed: found -1: input should be greater than or equal to 0",
    "study: a b": "study: found 'a b': string should match pattern '^[A-Za-z0-9][A-Za-z0-9_.-]*$'",
    "- flow": "found list, expected sections such as `data:` and `flow:`",
    "": "found NoneType, expected sections such as `data:` and `flow:`",
}


def _write(folder: Path, text: str) -> Path:
    path = folder / "params.yaml"
    path.write_text(text)
    return path


def test_sizes_may_be_found_in_either_way(tmp_path: Path) -> None:
    for sizes in ("estimate", "spectrum"):
        assert load_params(_write(tmp_path, f"flow: {{sizes: {sizes}}}")).flow.sizes == sizes


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_input_is_one_line_with_key_value_and_what_is_accepted(tmp_path: Path, text: str) -> None:
    path = _write(tmp_path, text)
    with pytest.raises(InputError) as caught:
        load_params(path)
    assert str(caught.value) == f"{path}: {WRONG[text]}"


@pytest.mark.parametrize("text", ["flow: {rho: 0.9", "seed: 1\nseed: 2", "a: b: c"])
def test_no_yaml_is_one_line_that_says_where(tmp_path: Path, text: str) -> None:
    path = _write(tmp_path, text)
    with pytest.raises(InputError, match=r"params\.yaml: no YAML \(.*line") as caught:
        load_params(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"params\.yaml: not there; run from the project's folder"):
        load_params(tmp_path / "params.yaml")


def test_an_exponent_without_a_point_is_a_number_as_it_is_for_dvc(tmp_path: Path) -> None:
    params = load_params(_write(tmp_path, "train: {learning_rate: 1e-3, weight_decay: 1.0e-2}"))
    assert (params.train.learning_rate, params.train.weight_decay) == (0.001, 0.01)


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    params = load_params(_write(tmp_path, "flow: {rho: 0.9}"))
    assert params.flow.rho == 0.9
    assert params.model_copy(update={"flow": Params().flow}) == Params()


def test_few_images_of_many_numbers_are_taken(tmp_path: Path) -> None:
    """What needs more of them is left out of the scores, and said."""
    text = "data: {max_images: 100}\nbackbone: {num_dims: 4096}\nflow: {mixing: shuffle}"
    assert load_params(_write(tmp_path, text)).backbone.num_dims == 4096


def test_a_reduction_is_a_word_or_a_number_of_directions(tmp_path: Path) -> None:
    brought = "layers: [a]\nbackbone: {kind: torch, network: 'a:b'}\nlatents: "
    for text, expected in (
        ("{reduce: token 12}", "token 12"),
        ("{reduce: {pca: 16}}", "pca 16"),
        ("{reduce: {pca: 16, of: none}}", "pca 16 of none"),
        ("{}", "mean"),
    ):
        assert load_params(_write(tmp_path, brought + text)).latents.reduction == expected


def test_a_whole_number_is_a_number(tmp_path: Path) -> None:
    params = load_params(_write(tmp_path, "train: {learning_rate: 1, clip: 5, betas: [0, 0.9]}\ntune: {scale: [1, 2]}"))
    numbers = (params.train.learning_rate, params.train.clip, *params.train.betas, *params.tune.scale)
    assert [repr(number) for number in numbers] == ["1.0", "5.0", "0.0", "0.9", "1.0", "2.0"]


def test_a_layer_in_a_module_of_any_name_is_taken(tmp_path: Path) -> None:
    text = "layers: [block/1, block/2.conv, blocks]\nbackbone: {kind: torch, network: 'a:b', output_key: 0}"
    params = load_params(_write(tmp_path, text))
    assert params.layers == ("block/1", "block/2.conv", "blocks")
    assert params.backbone.output_key == 0


def test_sizes_that_fit_are_taken(tmp_path: Path) -> None:
    text = "backbone: {num_dims: 3}\nflow: {sizes: [1, 1, 1]}"
    assert load_params(_write(tmp_path, text)).flow.sizes == (1, 1, 1)
    assert load_params(_write(tmp_path, "flow: {sizes: [16, 7, 9]}")).flow.sizes == (16, 7, 9)


def test_the_projects_params_are_the_defaults_and_name_every_key() -> None:
    path = ROOT / "params.yaml"
    assert load_params(path) == Params()

    def keys(content: object) -> object:
        return {key: keys(value) for key, value in content.items()} if isinstance(content, dict) else None

    assert keys(YAML(typ="safe", pure=True).load(path.read_text())) == keys(Params().model_dump())


def test_params_cannot_change_after_reading() -> None:
    params = Params()
    with pytest.raises(ValidationError, match="frozen"):
        params.flow.rho = 0.5  # type: ignore[misc]


def test_a_wrong_key_ends_the_check_stage_in_one_line(tmp_path: Path) -> None:
    _write(tmp_path, "flow: {roh: 0.9}")
    command = [sys.executable, "-m", "stages.check"]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: params.yaml: flow.roh: unknown key; did you mean 'rho'? accepted are ")
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_other_names_of_concepts_are_taken(tmp_path: Path) -> None:
    names = ["scale", "id", "split", "image", "mean", "type", "values", "train"]
    names += ["hair.colour", "hair colour", "Größe (cm)"]
    text = f"data: {{concepts: {names}}}"
    assert load_params(_write(tmp_path, text)).data.concepts == tuple(names)
