"""The published PyTorch code's work, transcribed in short, for timing beside the kit.

Architecture as in openai/CLIP clip/model.py and CoOp trainers/cocoop.py: 77 tokens, nn.MultiheadAttention, LayerNorm,
QuickGELU, one pass of the text encoder for each image; float32, or with --half half precision throughout, as the
published `prec: fp16`; random weights of the given size.

usage: published.py {step|eval|encode} THREADS TOKENS_JSON IMAGES SIZE_JSON [--cpu] [--cuda] [--half]

Speaks over its standard streams: for each line that it reads it does the work once and writes the milliseconds.
TOKENS_JSON is a list with the 77 ids of each class's prompt; SIZE_JSON is a ClipConfig of the kit.
"""

import json
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


class QuickGELU(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


class Block(nn.Module):
    def __init__(self, width, heads, mask=None):
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads)
        self.ln_1 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), QuickGELU(), nn.Linear(4 * width, width))
        self.ln_2 = nn.LayerNorm(width)
        self.mask = mask

    def forward(self, x):
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False, attn_mask=self.mask)[0]
        return x + self.mlp(self.ln_2(x))


class TextEncoder(nn.Module):
    def __init__(self, size):
        super().__init__()
        text, embedding = size["text"], size["embedding"]
        width, layers, heads, context = (text[key] for key in ("width", "layers", "heads", "context"))
        mask = torch.full((context, context), float("-inf")).triu_(1)
        self.positional_embedding = nn.Parameter(0.01 * torch.randn(context, width))
        self.transformer = nn.Sequential(*[Block(width, heads, mask) for _ in range(layers)])
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(width**-0.5 * torch.randn(width, embedding))

    def forward(self, prompts, tokenized):
        x = (prompts + self.positional_embedding).permute(1, 0, 2)
        x = self.ln_final(self.transformer(x).permute(1, 0, 2))
        return x[torch.arange(x.shape[0]), tokenized.argmax(dim=-1)] @ self.text_projection


class ImageEncoder(nn.Module):
    def __init__(self, size):
        super().__init__()
        image, embedding = size["image"], size["embedding"]
        pixels, patch, width, layers, heads = (image[key] for key in ("size", "patch", "width", "layers", "heads"))
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
        self.class_embedding = nn.Parameter(width**-0.5 * torch.randn(width))
        self.positional_embedding = nn.Parameter(width**-0.5 * torch.randn((pixels // patch) ** 2 + 1, width))
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = nn.Sequential(*[Block(width, heads) for _ in range(layers)])
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Parameter(width**-0.5 * torch.randn(width, embedding))

    def forward(self, x):
        x = self.conv1(x).flatten(2).permute(0, 2, 1)
        x = torch.cat([self.class_embedding.expand(x.shape[0], 1, -1), x], dim=1) + self.positional_embedding
        x = self.transformer(self.ln_pre(x).permute(1, 0, 2)).permute(1, 0, 2)
        return self.ln_post(x[:, 0, :]) @ self.proj


class CoCoOp(nn.Module):
    def __init__(self, tokens, size, context_tokens=4):
        super().__init__()
        embedding, width = size["embedding"], size["text"]["width"]
        self.tokens = torch.tensor(tokens)
        table = nn.Embedding(size["text"]["vocabulary"], width)
        with torch.no_grad():
            embedded = table(self.tokens)
        self.prefix, self.suffix = embedded[:, :1], embedded[:, 1 + context_tokens :]
        self.ctx = nn.Parameter(embedded[0, 1 : 1 + context_tokens].clone())
        self.meta_net = nn.Sequential(nn.Linear(embedding, embedding // 16), nn.ReLU(), nn.Linear(embedding // 16, width))
        self.text_encoder = TextEncoder(size)
        for parameter in self.text_encoder.parameters():
            parameter.requires_grad_(False)

    def forward(self, image_features, labels=None):
        shifted = self.ctx.unsqueeze(0) + self.meta_net(image_features).unsqueeze(1)
        classes = len(self.tokens)
        logits = []
        for ctx, feature in zip(shifted, image_features):
            prompts = torch.cat([self.prefix, ctx.unsqueeze(0).expand(classes, -1, -1), self.suffix], dim=1)
            text = self.text_encoder(prompts, self.tokens)
            text = text / text.norm(dim=-1, keepdim=True)
            logits.append(100.0 * feature @ text.t())
        logits = torch.stack(logits)
        return logits if labels is None else F.cross_entropy(logits, labels)


def unit_rows(rows, width):
    x = torch.randn(rows, width)
    return x / x.norm(dim=-1, keepdim=True)


def noise_images(images, size):
    side = size["image"]["size"]
    return torch.randn(images, 3, side, side)


def work_of(kind, tokens, images, size):
    if kind == "encode":
        model = ImageEncoder(size).eval()
        pixels = noise_images(images, size)

        def encode():
            with torch.no_grad():
                model(pixels)

        return encode
    model = CoCoOp(tokens, size)
    if kind == "eval":
        features = unit_rows(images, size["embedding"])

        def evaluate():
            with torch.no_grad():
                model(features)

        return evaluate
    features, labels = unit_rows(images, size["embedding"]), torch.arange(images) % len(tokens)
    learned = [model.ctx, *model.meta_net.parameters()]
    optimizer = torch.optim.SGD(learned, lr=0.0025, momentum=0.9, weight_decay=5e-4)

    def step():
        loss = model(features, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    return step


def main(work_of):
    kind, threads, tokens, images, size = sys.argv[1], *(json.loads(word) for word in sys.argv[2:6])
    flags = sys.argv[6:]
    clock = time.process_time if "--cpu" in flags else time.perf_counter
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    wait = lambda: None
    if "--cuda" in flags:
        torch.set_default_device("cuda")
        # float32 is to be float32, as it is beside it.
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        wait = torch.cuda.synchronize
    if "--half" in flags:
        torch.set_default_dtype(torch.float16)
    work = work_of(kind, tokens, images, size)
    print(json.dumps({"torch": torch.__version__, "images": images}), flush=True)
    for _ in sys.stdin:
        start = clock()
        work()
        wait()
        print(1000 * (clock() - start), flush=True)


if __name__ == "__main__":
    main(work_of)
