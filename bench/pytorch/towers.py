"""Published steps of methods with prompts inside both towers, transcribed in short, for timing beside the kit.

MaPLe as in multimodal-prompt-learning clip/model.py and trainers/maple.py, PromptSRC as in its trainers/promptsrc.py:
77 tokens of every class, learned rows replaced before the deeper blocks, all frozen weights without gradient; PromptSRC's
frozen image tower runs in every step. A test batch makes the prompts and runs both towers, as the published test loop.
Random weights of the given size.

usage: towers.py {maple|promptsrc|maple_eval} THREADS TOKENS_JSON IMAGES SIZE_JSON [--cpu] [--cuda] [--half]

It speaks as published.py does.
"""

import copy

import torch
from torch import nn
from torch.nn import functional as F

from published import ImageEncoder, TextEncoder, main, noise_images

SCALE = 100.0


def unit(x):
    return x / x.norm(dim=-1, keepdim=True)


def through(blocks, x, deeper, put):
    """Runs the blocks; `put` replaces the learned rows before those that have their own."""
    for i, block in enumerate(blocks):
        if 1 <= i <= len(deeper):
            x = put(x, deeper[i - 1])
        x = block(x)
    return x


class PromptedText(TextEncoder):
    def forward(self, prompts, tokenized, deeper=()):
        def put(x, rows):
            n = rows.shape[0]
            return torch.cat([x[:1], rows.expand(x.shape[1], -1, -1).permute(1, 0, 2), x[1 + n :]], dim=0)

        x = (prompts + self.positional_embedding).permute(1, 0, 2)
        x = self.ln_final(through(self.transformer, x, deeper, put).permute(1, 0, 2))
        return x[torch.arange(x.shape[0]), tokenized.argmax(dim=-1)] @ self.text_projection


class PromptedImage(ImageEncoder):
    def forward(self, x, first=None, deeper=()):
        def put(x, rows):
            return torch.cat([x[: -rows.shape[0]], rows.expand(x.shape[1], -1, -1).permute(1, 0, 2)], dim=0)

        x = self.conv1(x).flatten(2).permute(0, 2, 1)
        x = torch.cat([self.class_embedding.expand(x.shape[0], 1, -1), x], dim=1) + self.positional_embedding
        if first is not None:
            x = torch.cat([x, first.expand(x.shape[0], -1, -1)], dim=1)
        x = through(self.transformer, self.ln_pre(x).permute(1, 0, 2), deeper, put).permute(1, 0, 2)
        return self.ln_post(x[:, 0, :]) @ self.proj


class Prompted(nn.Module):
    """Both towers with `learned` rows in the first `depth` layers; `rows` gives them to each tower."""

    def __init__(self, tokens, size, learned, depth):
        super().__init__()
        width, image_width = size["text"]["width"], size["image"]["width"]
        self.tokens, self.depth = torch.tensor(tokens), depth
        with torch.no_grad():
            embedded = nn.Embedding(size["text"]["vocabulary"], width)(self.tokens)
        self.prefix, self.suffix = embedded[:, :1], embedded[:, 1 + learned :]
        self.text, self.image = PromptedText(size), PromptedImage(size)
        for parameter in self.parameters():
            parameter.requires_grad_(False)
        rows = lambda count, width: nn.ParameterList(nn.Parameter(0.02 * torch.randn(learned, width)) for _ in range(count))
        self.ctx = nn.Parameter(embedded[0, 1 : 1 + learned].clone())
        self.deep_text = rows(depth - 1, width)
        self.make_image_rows(rows, size)

    def features(self, pixels):
        first, deeper = self.image_rows()
        ctx = self.ctx.unsqueeze(0).expand(len(self.tokens), -1, -1)
        prompts = torch.cat([self.prefix, ctx, self.suffix], dim=1)
        return unit(self.text(prompts, self.tokens, self.deep_text)), unit(self.image(pixels, first, deeper))


class Maple(Prompted):
    def make_image_rows(self, rows, size):
        width, image_width = size["text"]["width"], size["image"]["width"]
        self.proj = nn.Linear(width, image_width)
        self.deep_projs = nn.ModuleList(copy.deepcopy(nn.Linear(width, image_width)) for _ in range(self.depth - 1))

    def image_rows(self):
        return self.proj(self.ctx), [proj(rows) for proj, rows in zip(self.deep_projs, self.deep_text)]

    def loss(self, pixels, labels):
        text, image = self.features(pixels)
        return F.cross_entropy(SCALE * image @ text.t(), labels)


class PromptSRC(Prompted):
    def make_image_rows(self, rows, size):
        image_width = size["image"]["width"]
        self.vpt, self.deep_image = rows(1, image_width)[0], rows(self.depth - 1, image_width)
        self.frozen_image = ImageEncoder(size).requires_grad_(False)
        self.frozen_text = unit(torch.randn(len(self.tokens), size["embedding"]))

    def image_rows(self):
        return self.vpt, list(self.deep_image)

    def loss(self, pixels, labels):
        text, image = self.features(pixels)
        logits = SCALE * image @ text.t()
        with torch.no_grad():
            frozen = unit(self.frozen_image(pixels))
            zero_shot = SCALE * frozen @ self.frozen_text.t()
        near = 25 * F.l1_loss(text, self.frozen_text) + 10 * F.l1_loss(image, frozen)
        log = lambda x: F.log_softmax(x, dim=1)
        divergence = F.kl_div(log(logits), log(zero_shot), reduction="sum", log_target=True) / logits.numel()
        return F.cross_entropy(logits, labels) + near + divergence


def work_of(kind, tokens, images, size):
    model = PromptSRC(tokens, size, 4, 9) if kind == "promptsrc" else Maple(tokens, size, 2, 9)
    pixels, labels = noise_images(images, size), torch.arange(images) % len(tokens)
    if kind == "maple_eval":

        def evaluate():
            with torch.no_grad():
                text, image = model.features(pixels)
                SCALE * image @ text.t()

        return evaluate
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(learned, lr=0.0025, momentum=0.9, weight_decay=5e-4)

    def step():
        loss = model.loss(pixels, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    return step


if __name__ == "__main__":
    main(work_of)
