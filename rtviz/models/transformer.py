"""Vision transformers: the attention of every layer and head, and what else a forward pass leaves."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rtviz.errors import AttentionCaptureError, SettingsError
from rtviz.frame import Floats, Grid, Maps, Pixels, rounding_noise
from rtviz.models import backbone, cams, gradcam
from rtviz.models.fast_passes import FastPasses, fast_passes
from rtviz.models.memory import memory_errors
from rtviz.models.model import Model, PassRequest
from rtviz.models.positions import Positions
from rtviz.models.probe import AttentionInputs, AttentionProbe, CapturedEnough
from rtviz.models.probed_network import Extent, Overflow, RawOutputs
from rtviz.models.rollout import rolled_out
from rtviz.models.token_layout import TokenLayout
from rtviz.models.token_norms import TokenNorms
from rtviz.settings import Query, Register, Rolled, Settings
from rtviz.words import counted

# What is there only at the end of a pass; attention is there before the last layer's own output.
_AT_THE_END = frozenset({"tokens", "norms", "grad", "layer_tokens"}) | cams.METHODS.keys()
_WHOLE = _AT_THE_END | {"keys", "values"}  # what a fast pass gives only then
_SLOW = frozenset({"columns", "layer_keys"})  # what no fast pass gives

_Fields = dict[str, Any]  # of Maps
FastPass = Callable[..., RawOutputs]  # of an input [batch, 3, height, width] and a row


@dataclass(frozen=True, slots=True, eq=False)
class _Pass:
    """One forward pass that is over.

    Attributes:
        x: its input.
        layout: of its tokens.
        row: the index of the query's token.
        outputs: on the device. Beside attention they hold what was requested, or what the fast pass gives anyway.
        fast: what ran it, if that was not the network itself.
        qk_inputs: what entered the softmax of each layer, if it was kept.
        evidence: of Grad-CAM.
    """

    x: Tensor
    layout: TokenLayout
    row: int
    outputs: RawOutputs
    fast: FastPass | None = None
    qk_inputs: Sequence[AttentionInputs] = ()
    evidence: gradcam.Evidence | None = None


def _extent_of(features: Collection[str], kept_layers: Sequence[int]) -> Extent:
    """How far a pass goes for these features."""
    return Extent(not _WHOLE.isdisjoint(features), len(kept_layers) if "layer_tokens" in features else 0)


class Transformer(Model):
    """A vision transformer of timm that shows its attention."""

    _fast_passes: FastPasses | None = None
    _compiles_soon = False

    def _read_architecture(self, network: Any) -> None:
        self.prefix_tokens = int(network.num_prefix_tokens)
        self.has_cls = backbone.has_cls(network)
        # Everything that depends on the size of the input alone is made once for each size.
        self._positions = Positions(network, self.card.resampling)
        self._norms = TokenNorms.of(network, self.layers)
        # In the last layer's own output no patch can speak for a class any more, if only CLS is read after it. So the
        # patch tokens are taken where they enter that layer's attention, as pytorch-grad-cam advises for ViTs.
        entrance = getattr(network.blocks[-1], "norm1", None)
        self.classes = 0 if entrance is None else gradcam.classes_of(network)
        self._tap = gradcam.Tap([entrance]) if self.classes and entrance is not None else None

    def _fit_to(self, grid: Grid) -> None:
        self._positions.fit(grid)

    def _move_network(self) -> None:
        self._fast_passes = fast_passes(
            self.network,
            name=self.name,
            layers=self.layers,
            prefix=self.prefix_tokens,
            device=self.device,
            native=self._native,
            precision=self._requested_precision,
            backend=self._requested_backend,
        )
        if self._compiles_soon:
            self.compile_soon()
        self._positions.restore()
        super()._move_network()

    # --- fast passes ---

    def compile_soon(self) -> None:
        self._compiles_soon = True
        if self._fast_passes is not None:
            self._fast_passes.soon()

    def compile(
        self,
        frame: Pixels,
        count: int = 1,
        resolution: int | None = None,
        features: Collection[str] = (),
        kept_layers: Sequence[int] = (),
        *,
        frames: float = math.inf,
    ) -> None:
        if self._fast_passes is not None and _SLOW.isdisjoint(features):
            x = self.prepare([frame] * count, resolution)
            extent = _extent_of(features, kept_layers)
            self._fast_passes.make(x, self._layout_of(x).tokens, extent, frames=frames)

    def _fast_pass(self, x: Tensor, request: PassRequest) -> FastPass | None:
        """What runs a pass for this input instead of the network, if anything does."""
        found = None
        slow = request.needs_gradients or request.rolled or request.muted or not _SLOW.isdisjoint(request.features)
        if self._fast_passes is not None and not slow:
            extent = _extent_of(request.features, request.kept_layers)
            found = self._fast_passes.find(x, self._layout_of(x).tokens, extent)
        if found is None:
            self.precision, self.backend = self._native, "torch"
            return None
        assert self._fast_passes is not None
        (self.precision, fast), self.backend = found, self._fast_passes.backend
        return partial(fast, blocks=self._blocks_of(request)) if extent.kept else fast

    def _blocks_of(self, request: PassRequest) -> Tensor:
        """int64 [kept], the blocks of the kept layers; a block may hold several layers side by side."""
        per_block = max(1, self.layers // len(self.network.blocks))
        return torch.tensor([layer // per_block for layer in request.kept_layers], dtype=torch.int64)

    # --- a forward pass ---

    def _predict(self, frames: Sequence[Pixels], request: PassRequest) -> list[Maps]:
        with memory_errors(self.device):
            x = self.prepare(frames, request.resolution)
            twice = bool(request.unablated and request.muted)
            if twice:  # first as it is, then with heads muted: one pass is quicker than two
                x = torch.cat([x, x])
            muted_from = len(frames) if twice else 0
            done = self._run(x, request, muted_from)
            found_cams = self._cams(done, request.features)
            outputs = self._on_cpu(done, request.features)
            if self.precision == "fp16":
                checked = [*map(torch.from_numpy, found_cams.values())]
                if done.fast is None:  # a CUDA graph checks the rest itself
                    held = outputs._replace(attended=None)
                    checked += [one for one in held if one is not None]
                if not all(one.isfinite().all() for one in checked):
                    raise Overflow
            rollout = None
            if request.rolled is not None:
                rollout = self._rollout(done.qk_inputs, done.layout, done.row, request.rolled)
            columns: list[_Fields] = [{} for _ in range(len(x))]
            if "columns" in request.features:
                columns = [self._columns(done.qk_inputs, done.layout, done.row, place) for place in range(len(x))]
        ask = self._other_queries(done, request) if "rows" in request.features else None
        maps = [
            replace(
                self._maps_of(place, request, done, outputs, found_cams),
                rollout=None if rollout is None else rollout[place].copy(),
                **columns[place],
                rows=None if ask is None else partial(ask, place),
                muted=request.muted if place >= muted_from else (),
            )
            for place in range(len(x))
        ]
        if not twice:
            return maps
        pairs = zip(maps[: len(frames)], maps[len(frames) :], strict=True)
        return [replace(muted, unablated=unablated) for unablated, muted in pairs]

    def _run(self, x: Tensor, request: PassRequest, muted_from: int) -> _Pass:
        """Run one pass, by the quickest way that gives what is requested."""
        layout = self._layout_of(x)
        row = self.row_of(request.query, layout.grid)
        rows = torch.tensor([row])
        fast = self._fast_pass(x, request)
        if fast is not None:
            return _Pass(x, layout, row, fast(x, rows), fast)
        evidence, rows = None, rows.to(self.device)
        ends: list[Tensor] | None = [] if _extent_of(request.features, request.kept_layers).kept else None
        if request.needs_gradients and self._tap is not None:
            with self._tap.at(0) as leaves:
                attention, norms, tokens, probe, ended = self._forward(x, rows, request, muted_from, gradients=True)
                assert ended is not None
                evidence = gradcam.Evidence.of(self.network.forward_head(ended), leaves[0], request.target)
        else:
            attention, norms, tokens, probe, _ = self._forward(x, rows, request, muted_from, ends)
        last = probe.last
        assert last is not None
        outputs = RawOutputs(
            attention,
            norms,
            tokens,
            last.keys() if "keys" in request.features else None,
            last.values() if "values" in request.features else None,
            None if tokens is None else last.attended(),
        )
        if ends:
            with self._no_grad():
                kept = backbone.after_blocks(self.network, ends, self._blocks_of(request).to(self.device))
            outputs = outputs._replace(layer_tokens=kept)
        return _Pass(x, layout, row, outputs, None, probe.qk_inputs, evidence)

    def _forward(
        self,
        x: Tensor,
        rows: Tensor,
        request: PassRequest,
        muted_from: int = 0,
        ends: list[Tensor] | None = None,
        *,
        gradients: bool = False,
    ) -> tuple[Tensor, Tensor, Tensor | None, AttentionProbe, Tensor | None]:
        """Run one pass of the network itself.

        Args:
            x: [batch, 3, height, width], on the device, in the model's number format.
            rows: int64 [queries], token indices, on the device.
            request: what else is wanted.
            muted_from: the first picture in which heads are muted.
            ends: takes each block's output, if given.
            gradients: leave them to the caller; else there are none.

        Returns:
            Attention float32 [batch, layers, heads, queries, tokens]; the norms as RawOutputs has them; the output
            tokens [batch, tokens, width], None unless requested; the probe, with what else it was to keep; and the
            input of the network's head.
        """
        layout = self._layout_of(x)
        self._positions.fit(layout.grid)
        to_the_end = not _AT_THE_END.isdisjoint(request.features)
        probe = AttentionProbe(
            rows,
            tokens=layout.tokens,
            stop_after=None if to_the_end else self.layers,
            keep_all=not {"rows", "rollout", "columns", "layer_keys"}.isdisjoint(request.features),
            muted={layer: [head for of, head in request.muted if of == layer] for layer, _ in request.muted},
            muted_from=muted_from,
        )
        tokens = ended = None
        with nullcontext() if gradients else self._no_grad():
            try:
                with probe, self._norms.taken(ends) as norms:
                    tokens = ended = self.network.forward_features(x)
            except CapturedEnough:
                pass
            if len(probe.attention) != self.layers:
                raise AttentionCaptureError(
                    f"rtviz captured the attention of {len(probe.attention)} of the {self.layers} layers of "
                    f"{self.name}; it cannot show this architecture"
                )
            if tokens is not None and to_the_end:
                tokens = backbone.last_norm(self.network, tokens.detach())
            attention = torch.stack(probe.attention, dim=1)
            return attention, self._norms.stacked(norms, attention), tokens if to_the_end else None, probe, ended

    # --- what a pass leaves ---

    def _cams(self, done: _Pass, features: Collection[str]) -> dict[str, Floats]:
        """The class activation maps that are requested: float32 [batch, rows, columns] by method."""
        layout, outputs, found = done.layout, done.outputs, {}
        if outputs.tokens is not None:
            with torch.inference_mode():
                patches = layout.features_on_grid(outputs.tokens)
                attended = outputs.attended
                high = layout.row_on_grid(attended) if attended is not None and self.has_cls else None
                for name, method in cams.METHODS.items():
                    if name in features:
                        found[name] = method(patches, high).cpu().numpy()
        if done.evidence is not None:
            held = (layout.features_on_grid(one) for one in (done.evidence.features, done.evidence.gradient))
            found["grad"] = gradcam.grad_cam(*held).cpu().numpy()
        return found

    def _on_cpu(self, done: _Pass, features: Collection[str]) -> RawOutputs:
        """The outputs that are requested, in the CPU's memory, in float32; attention as [batch, layers, heads, tokens],
        and what CLS attends to on the grid of patches."""
        outputs = done.outputs
        tokens, keys, values, layer_tokens = (
            held.float().cpu() if held is not None and name in features else None
            for name, held in (
                ("tokens", outputs.tokens),
                ("keys", outputs.keys),
                ("values", outputs.values),
                ("layer_tokens", outputs.layer_tokens),
            )
        )
        attended = None
        if not {"tokens", "layer_tokens"}.isdisjoint(features) and outputs.attended is not None and self.has_cls:
            attended = done.layout.row_on_grid(outputs.attended).cpu()
        norms = outputs.norms.float().cpu()
        return RawOutputs(outputs.attention[:, :, :, 0].cpu(), norms, tokens, keys, values, attended, layer_tokens)

    def _maps_of(
        self, place: int, request: PassRequest, done: _Pass, outputs: RawOutputs, found_cams: Mapping[str, Floats]
    ) -> Maps:
        """The maps of the frame at this place of its batch; copies, because a view would keep the whole batch alive."""
        layout = done.layout
        patches, prefix = layout.split(outputs.attention[place].numpy())
        norms, prefix_norms = (one[0] for one in layout.split(outputs.norms[place : place + 1].numpy()))
        return Maps(
            attention=patches,
            prefix=prefix,
            norms=norms,
            prefix_norms=prefix_norms,
            has_cls=self.has_cls,
            query=request.query,
            model=self.name,
            patch_size=self.patch_size,
            input_size=(done.x.shape[2], done.x.shape[3]),
            tokens=None if outputs.tokens is None else layout.heads_on_grid(outputs.tokens[place : place + 1])[0],
            keys=None if outputs.keys is None else layout.heads_on_grid(outputs.keys[place]),
            keys_layer=None if outputs.keys is None else self.layers - 1,
            values=None if outputs.values is None else layout.heads_on_grid(outputs.values[place]),
            attended=None if outputs.attended is None else outputs.attended[place].numpy().copy(),
            **self._of_layers(place, request, done, outputs),
            discovery_features=self.card.discovery_features,
            cams={method: (maps[place].copy(),) for method, maps in found_cams.items()},
            noise=rounding_noise(float(torch.finfo(self._dtype).eps)),
            explained=self._explained(request, done.evidence, place),
            rolled=request.rolled,
        )

    def _of_layers(self, place: int, request: PassRequest, done: _Pass, outputs: RawOutputs) -> dict[str, Any]:
        """The fields of Maps that are of the kept layers."""
        found: dict[str, Any] = {"kept_layers": request.kept_layers}
        layout = done.layout
        if outputs.layer_tokens is not None:
            tokens = outputs.layer_tokens[place]
            found["layer_tokens"] = layout.heads_on_grid(tokens)
            found["layer_prefix_tokens"] = tokens[:, : layout.prefix].numpy().copy()
        if "layer_keys" in request.features:
            keys = [layout.heads_on_grid(done.qk_inputs[layer].keys()[place].cpu()) for layer in request.kept_layers]
            found["layer_keys"] = np.stack(keys)
        return found

    def _rollout(self, qk_inputs: Sequence[AttentionInputs], layout: TokenLayout, row: int, rolled: Rolled) -> Floats:
        """What each patch counts for a token: float32 [batch, rows, columns]."""
        with torch.inference_mode(), memory_errors(self.device):
            along = rolled_out(qk_inputs[: rolled.layer + 1], row, rolled.fusion, rolled.discard)
            found: Floats = layout.row_on_grid(along).cpu().numpy()
            return found

    def _columns(self, qk_inputs: Sequence[AttentionInputs], layout: TokenLayout, row: int, place: int) -> _Fields:
        """What every token of the frame at a place of the batch gives to one: fields of Maps."""
        with torch.inference_mode(), memory_errors(self.device):
            found = torch.stack([layer.column(row, place) for layer in qk_inputs]).cpu().numpy()
        patches, prefix = layout.split(found)
        return {"columns": patches, "columns_prefix": prefix}

    # --- other queries ---

    def _other_queries(self, done: _Pass, request: PassRequest) -> Callable[[int, Query], dict[str, Floats]] | None:
        """What gives the fields of Maps for another query, in the frame at a place of the batch."""
        if done.fast is not None:  # it keeps nothing of a pass, and is quick enough for another one
            return partial(self._run_again, done.x, done.fast)
        if done.qk_inputs:
            return partial(self._from_qk_inputs, done.qk_inputs, done.layout, request)
        return None

    def _run_again(self, x: Tensor, fast: FastPass, place: int, query: Query) -> dict[str, Floats]:
        layout = self._layout_of(x)
        try:
            with memory_errors(self.device):
                attention = fast(x, torch.tensor([self.row_of(query, layout.grid)])).attention
        except Overflow as error:
            raise AttentionCaptureError(
                f"the attention of {self.name} for this query leaves the range of fp16"
            ) from error
        patches, prefix = layout.split(attention[place, :, :, 0].numpy())
        return {"attention": patches, "prefix": prefix}

    def _from_qk_inputs(
        self, qk_inputs: Sequence[AttentionInputs], layout: TokenLayout, request: PassRequest, place: int, query: Query
    ) -> dict[str, Floats]:
        with torch.inference_mode(), memory_errors(self.device):
            row = self.row_of(query, layout.grid)
            rows = torch.tensor([row], device=qk_inputs[0].query.device)
            attention = torch.stack([layer.softmax(rows)[place, :, 0] for layer in qk_inputs])
            patches, prefix = layout.split(attention.cpu().numpy())
        found = {"attention": patches, "prefix": prefix}
        if request.rolled is not None:
            found["rollout"] = self._rollout(qk_inputs, layout, row, request.rolled)[place]
        if "columns" in request.features:
            found |= self._columns(qk_inputs, layout, row, place)
        return found

    # --- tensors in ---

    def attention(self, x: Tensor, query: Query | None = None) -> Tensor:
        patch = self.patch_size
        if x.ndim != 4 or x.shape[1] != 3 or not x.is_floating_point() or x.shape[2] % patch or x.shape[3] % patch:
            raise ValueError(
                f"x is normalised float [batch, 3, height, width] with sides that are multiples of {patch}, "
                f"not {x.dtype} {list(x.shape)}"
            )
        with memory_errors(self.device):
            x = x.to(self.device, self._dtype)
            layout = self._layout_of(x)
            rows = torch.tensor([self.row_of("cls" if query is None else query, layout.grid)], device=self.device)
            return layout.row_on_grid(self._forward(x, rows, PassRequest())[0][:, :, :, 0])

    def row_of(self, query: Query, grid: tuple[int, int]) -> int:
        query = Settings.option("query").check(query)
        if query == "cls" and not self.has_cls:
            raise SettingsError("query", "cls", f"a point X,Y, because {self.name} has no CLS token")
        if isinstance(query, Register):
            first = int(self.has_cls)
            if first + query.number >= self.prefix_tokens:
                registers = self.prefix_tokens - first
                there = f"reg0 to reg{registers - 1}" if registers else "cls or a point X,Y"
                raise SettingsError(
                    "query", str(query), f"{there}, because {self.name} has {counted(registers, 'register')}"
                )
            return first + query.number
        return TokenLayout(self.prefix_tokens, Grid(*grid)).index_of(query)

    def _layout_of(self, x: Tensor) -> TokenLayout:
        return TokenLayout(self.prefix_tokens, self._grid_of(x))


__all__ = ["Transformer"]
