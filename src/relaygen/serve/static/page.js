"use strict";
// One window of the gateway: asks one or several policies the same question and shows who writes, as it is written.
const $ = (id) => document.getElementById(id);
const make = (tag, classes = "", text = "") => {
  const element = document.createElement(tag);
  if (classes) element.className = classes;
  if (text) element.textContent = text;
  return element;
};
const counted = (tokens) => `${tokens} token${tokens === 1 ? "" : "s"}`;
const ENDINGS = { sentence: "the end of a sentence", eos: "the end of the text", think_end: "the end of the reasoning",
  stop: "the stop text", tokens: "its limit", length: "the budget" };
const QUOTED = ["cue", "stop", "text"];
const percent = (share) => `${Math.round(100 * share)} %`;
const histories = new Map();
const totals = { answers: 0, large: 0, small: 0, switches: 0, seconds: 0 };
let abort = null;

function headers() {
  const key = $("key")?.value.trim();
  return { "content-type": "application/json", ...(key ? { authorization: `Bearer ${key}` } : {}) };
}

function say(text, bad = false) {
  $("status").textContent = text;
  $("status").classList.toggle("bad", bad);
}

async function failure(response) {
  const body = await response.json().catch(() => null);
  return new Error(body?.error?.message ?? `The gateway answered with status ${response.status}.`);
}

async function listPolicies() {
  const response = await fetch("v1/models", { headers: headers() });
  if (!response.ok) throw await failure(response);
  const chosen = new Set(selected());
  const list = make("div");
  for (const model of (await response.json()).data) {
    const label = make("label");
    const box = make("input");
    Object.assign(box, { type: "checkbox", value: model.id, checked: chosen.size ? chosen.has(model.id) : model.id === "relay" });
    label.title = model.description;
    label.append(box, model.id);
    list.append(label);
  }
  $("policies").querySelector("div")?.remove();
  $("policies").append(list);
}

const selected = () => [...document.querySelectorAll("#policies input:checked")].map((box) => box.value);

function requestFor(model, question) {
  const body = {
    model, stream: true, stream_options: { include_usage: true, include_relay: true },
    messages: [...(histories.get(model) ?? []), { role: "user", content: question }],
    chat_template_kwargs: { enable_thinking: $("thinking").checked },
  };
  for (const name of ["max_tokens", "temperature", "seed"]) {
    if ($(name).value !== "") body[name] = Number($(name).value);
  }
  return body;
}

// Server-sent events from a POST, which EventSource can't do.
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const data = block.split("\n").filter((line) => line.startsWith("data: ")).map((line) => line.slice(6)).join("\n");
      if (data && data !== "[DONE]") yield JSON.parse(data);
    }
  }
}

// One answer on its way: a column with numbers, a bar, the reasoning and the answer.
class Run {
  constructor(model) {
    this.box = make("section", "run running");
    this.box.setAttribute("aria-label", model);
    this.numbers = make("p", "numbers", "waiting");
    this.meter = make("div", "meter");
    this.meter.append(make("i"), make("b"));
    this.box.append(make("h3", "", model), this.numbers, this.meter);
    this.began = performance.now();
    this.count = { large: 0, small: 0, switches: 0 };
    this.live = { large: 0, small: 0 };  // tokens of the segment that is being written
    this.open = [];
    this.texts = {};
    this.answer = "";
  }

  take(event) {
    if (event.error) throw new Error(event.error.message);
    if (event.usage) return this.end(event.usage);
    const delta = event.choices[0]?.delta ?? {};
    const kind = delta.reasoning ? "reasoning" : "answer";
    const text = delta.reasoning ?? delta.content;
    if (text) this.write(kind, text, event.relay?.role ?? "large");
    if (event.relay?.tokens) this.tick(event.relay);
    if (event.relay?.segment) this.settle(event.relay.segment);
    if (event.choices[0]?.finish_reason) this.reason = event.choices[0].stop_reason ?? event.choices[0].finish_reason;
  }

  write(kind, text, role) {
    this.first ??= performance.now();
    if (kind === "answer") this.answer += text;
    const place = this.texts[kind] ??= this.stage(kind);
    if (!place.textContent) text = text.trimStart();
    const follow = place.scrollHeight - place.scrollTop - place.clientHeight < 30;
    let span = this.open.at(-1);
    if (!span || span.parentNode !== place || !span.classList.contains(role)) {
      span = make("span", role);
      place.append(span);
      this.open.push(span);
    }
    span.append(text);
    if (follow) place.scrollTop = place.scrollHeight;
  }

  stage(kind) {
    const place = make("div", `text ${kind}`);
    if (kind === "reasoning") place.tabIndex = 0;
    this.box.append(make("div", "stage", kind), place);
    return place;
  }

  tick({ role, tokens }) {
    this.live[role] += tokens;
    this.show();
  }

  settle(segment) {
    this.live = { large: 0, small: 0 };
    if (this.last && this.last !== segment.role) this.count.switches += 1;
    this.last = segment.role;
    if (!segment.inserted) this.count[segment.role] += segment.tokens;
    for (const span of this.open) {
      span.tabIndex = 0;
      span.dataset.tip = explain(segment);
      span.setAttribute("aria-description", span.dataset.tip);
      span.classList.toggle("inserted", segment.inserted);
    }
    this.open = [];
    this.show();
  }

  show(final = "") {
    const { switches } = this.count;
    const [large, small] = ["large", "small"].map((role) => this.count[role] + this.live[role]);
    const all = large + small;
    const seconds = (performance.now() - this.began) / 1000;
    const share = all ? large / all : 0;
    const wait = this.first ? `, first after ${((this.first - this.began) / 1000).toFixed(2)} s` : "";
    this.numbers.textContent = `${all} tokens, ${percent(share)} large, ${switches} switches, ` +
      `${(all / Math.max(seconds, .001)).toFixed(0)} tokens/s, ${seconds.toFixed(1)} s${wait}${final}`;
    this.meter.children[0].style.width = `${100 * share}%`;
    this.meter.children[1].style.width = all ? `${100 - 100 * share}%` : "0";
  }

  end(usage) {
    const relay = usage.relay;
    this.live = { large: 0, small: 0 };
    this.count = { large: relay.large_tokens, small: relay.small_tokens, switches: relay.switches };
    const marks = [relay.degraded && "one model failed on the way", relay.whole && `not relayed: ${relay.whole}`,
      this.reason !== "stop" && `ended by ${this.reason}`].filter(Boolean);
    this.show(marks.length ? `. ${marks.join(", ")}` : "");
    totals.answers += 1;
    for (const name of ["large", "small", "switches"]) totals[name] += this.count[name];
    totals.seconds += (performance.now() - this.began) / 1000;
    showTotals();
  }

  fail(error) {
    this.box.classList.add("failed");
    const stopped = error.name === "AbortError";
    this.box.append(make("p", stopped ? "faint" : "bad", stopped ? "Stopped." : error.message));
  }
}

function explain(segment) {
  const who = segment.inserted ? "put in by the relay" : segment.role;
  const why = QUOTED.includes(segment.ending) && segment.why.trim();
  const lines = [`${who}, ${counted(segment.tokens)}, ${segment.milliseconds} ms`,
    `ended by ${ENDINGS[segment.ending] ?? segment.ending.replace("_", " ")}${why ? ` “${why}”` : ""}`];
  if (segment.margin) lines.push(`margin ${segment.margin.mean.toFixed(2)} on average, lowest ${segment.margin.lowest.toFixed(2)}`);
  if (segment.overrun) lines.push(`${counted(segment.overrun)} over-run`);
  return lines.join("\n");
}

function showTotals() {
  const all = totals.large + totals.small;
  const shown = {
    answers: totals.answers, "tokens by large": totals.large, "tokens by small": totals.small,
    "large share": all ? percent(totals.large / all) : "–", switches: totals.switches, seconds: totals.seconds.toFixed(1),
  };
  $("total").hidden = !totals.answers;
  $("totals").replaceChildren(...Object.entries(shown).map(([name, value]) => {
    const pair = make("div");
    pair.append(make("dt", "", name), make("dd", "", String(value)));
    return pair;
  }));
}

async function answer(run, model, question) {
  try {
    const body = requestFor(model, question);
    const response = await fetch("v1/chat/completions",
      { method: "POST", headers: headers(), body: JSON.stringify(body), signal: abort.signal });
    if (!response.ok) throw await failure(response);
    for await (const event of events(response)) run.take(event);
    histories.set(model, [...body.messages, { role: "assistant", content: run.answer.trim() }]);
  } catch (error) {
    run.fail(error);
  } finally {
    run.box.classList.remove("running");
  }
}

async function ask(question) {
  const models = selected();
  if (!models.length) return say("Choose at least one policy.", true);
  abort = new AbortController();
  $("send").disabled = true;
  $("stop").disabled = false;
  say(models.length > 1 ? `${models.length} policies are writing.` : "Writing.");
  const turn = make("section", "turn");
  const columns = make("div", "columns");
  turn.append(make("h2", "", question), columns);
  $("turns").prepend(turn);
  const runs = models.map((model) => new Run(model));
  columns.append(...runs.map((run) => run.box));
  await Promise.all(runs.map((run, i) => answer(run, models[i], question)));
  const failed = runs.some((run) => run.box.classList.contains("failed"));
  say(failed ? "Not everything was finished." : "Finished.", failed);
  $("send").disabled = false;
  $("stop").disabled = true;
  $("question").focus();
  showHealth();
}

// Marks a model of which no server answers.
async function showHealth() {
  const { servers = {} } = await fetch("ready").then((response) => response.json()).catch(() => ({}));
  for (const [role, answering] of Object.entries(servers)) {
    $(role).classList.toggle("gone", !answering.includes(true));
    $(role).title = answering.includes(true) ? "" : "does not answer";
  }
}

for (const example of document.querySelectorAll("#examples button")) {
  example.addEventListener("click", () => {
    $("question").value = example.textContent;
    $("ask").requestSubmit();
  });
}
$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const question = $("question").value.trim();
  if (!question || $("send").disabled) return;
  $("question").value = "";
  ask(question);
});
$("question").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("ask").requestSubmit();
});
$("stop").addEventListener("click", () => abort?.abort());
$("fresh").addEventListener("click", () => {
  abort?.abort();
  histories.clear();
  $("turns").replaceChildren();
  say("A new conversation.");
  $("question").focus();
});
$("key")?.addEventListener("change", () => listPolicies().then(() => say(""), (error) => say(error.message, true)));

function tip(span) {
  $("tip").hidden = !span?.dataset.tip;
  if (!span?.dataset.tip) return;
  $("tip").textContent = span.dataset.tip;
  const place = span.getClientRects()[0] ?? span.getBoundingClientRect();
  const size = $("tip").getBoundingClientRect();
  const below = place.bottom + size.height + 12 < innerHeight;
  $("tip").style.left = `${Math.max(8, Math.min(place.left, innerWidth - size.width - 8))}px`;
  $("tip").style.top = `${below ? place.bottom + 6 : Math.max(8, place.top - size.height - 6)}px`;
}
document.addEventListener("mouseover", (event) => tip(event.target.closest?.("[data-tip]")));
document.addEventListener("focusin", (event) => tip(event.target.closest?.("[data-tip]")));
document.addEventListener("focusout", () => tip(null));
// Going to a segment by keyboard scrolls to it.
document.addEventListener("scroll", () => tip(document.activeElement?.closest("[data-tip]")), true);
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  tip(null);
  abort?.abort();
});

showTotals();
showHealth();
listPolicies().catch((error) => say(error.message, true));
