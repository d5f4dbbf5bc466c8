// The page's whole behaviour: asks the server for its numbers, and shows them. What the server says
// is only ever set as text (textContent, style.width), and the page's security policy refuses more.

// How often the server is asked, in milliseconds, and how long it may take to answer.
const POLL_MS = 1000;
const RETRY_MS = 2000;
const ANSWER_MS = 5000;
// What is remembered and shown.
const MAX_STEPS_PER_DEVICE = 4096;
const MAX_STEP_PAGES = 8; // replies that one poll reads while there are more steps
const MAX_SESSIONS = 100;
const WINDOW_MS = 60_000; // of steps, for percentiles
const RATE_MS = 5000; // over which tokens per second are taken
const IDLE_MS = 100; // a pause between steps that is worth a mark
const STUCK_SECONDS = 30; // as /health has it

// ---- Numbers for people

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

function count(n) {
  if (n >= 1e9) return (n / 1e9).toFixed(2) + " G";
  if (n >= 1e7) return (n / 1e6).toFixed(1) + " M";
  return grouped.format(n);
}

function millis(ms) {
  if (!Number.isFinite(ms)) return "–";
  if (ms >= 10_000) return (ms / 1000).toFixed(1) + " s";
  if (ms >= 1000) return (ms / 1000).toFixed(2) + " s";
  if (ms >= 100) return ms.toFixed(0) + " ms";
  if (ms >= 10) return ms.toFixed(1) + " ms";
  if (ms >= 1) return ms.toFixed(2) + " ms";
  return (ms * 1000).toFixed(0) + " µs";
}

function span(ms) {
  const s = Math.round(ms / 1000);
  if (s < 1) return "< 1 s";
  if (s < 60) return s + " s";
  const [whole, rest, big, small] =
    s < 3600
      ? [Math.floor(s / 60), s % 60, " min", " s"]
      : [Math.floor(s / 3600), Math.floor((s % 3600) / 60), " h", " min"];
  return whole + big + (rest ? " " + rest + small : "");
}

function rate(perSecond) {
  return perSecond >= 100 || perSecond === 0 ? grouped.format(perSecond) : perSecond.toFixed(1);
}

function percent(part, whole) {
  if (!(whole > 0)) return "–";
  const value = (100 * part) / whole;
  return (value < 10 && value > 0 ? value.toFixed(1) : value.toFixed(0)) + " %";
}

function plural(n, one, many) {
  return count(n) + " " + (n === 1 ? one : many);
}

// ---- Elements

const byId = (id) => document.getElementById(id);

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Sets text where it differs, so that a selection lives through a poll that changes nothing. */
function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function notice(id, text) {
  byId(id).hidden = !text;
  say(byId(id), text);
}

/** Makes a parent's children those of the items, in order, each kept under its key. */
function keep(parent, items, key, make, update) {
  const old = new Map([...parent.children].map((child) => [child.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    let child = old.get(key(item));
    if (!child) {
      child = make(item);
      child.key = key(item);
    }
    old.delete(child.key);
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
    update(child, item);
  }
  for (const gone of old.values()) gone.remove();
}

/** A table of [heading, class of its key, class of its cells]; roles outlive a change of display. */
function table(label, columns) {
  const made = element("table");
  made.setAttribute("role", "table");
  made.setAttribute("aria-label", label);
  const head = made.createTHead().insertRow();
  head.setAttribute("role", "row");
  for (const [name, key, wide] of columns) {
    const th = element("th", wide);
    th.setAttribute("role", "columnheader");
    th.scope = "col";
    th.append(key ? element("span", "key " + key, name) : name);
    head.append(th);
  }
  made.append(element("tbody"));
  made.tBodies[0].setAttribute("role", "rowgroup");
  return made;
}

function row(columns) {
  const made = element("tr");
  made.setAttribute("role", "row");
  columns.forEach(([name, key, wide], i) => {
    const td = element("td", wide);
    td.setAttribute("role", "cell");
    if (i > 0 && !wide) td.dataset.name = name;
    if (key) td.dataset.key = key;
    made.append(td);
  });
  return made;
}

function bar(classes) {
  const made = element("div", "bar");
  made.setAttribute("role", "img");
  for (const name of classes) made.append(element("i", name));
  return made;
}

function fill(made, parts, whole, label) {
  [...made.children].forEach((part, i) => {
    part.style.width = (whole > 0 ? Math.min(100, (100 * parts[i]) / whole) : 0) + "%";
  });
  made.setAttribute("aria-label", label);
  made.title = label;
}

// ---- What the server says

class Unanswered extends Error {}

async function ask(path) {
  let response;
  try {
    response = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) });
  } catch (failure) {
    throw new Unanswered(
      failure.name === "TimeoutError"
        ? "it took more than " + span(ANSWER_MS) + " for " + path
        : "there is no connection",
    );
  }
  if (response.status === 404) return null; // not offered here
  if (!response.ok) throw new Unanswered(path + " is answered with status " + response.status);
  try {
    return path === "metrics" ? metrics(await response.text()) : await response.json();
  } catch {
    throw new Unanswered("the answer to " + path + " cannot be read");
  }
}

/** Prometheus text: values by name with labels, and sums by name alone. */
function metrics(text) {
  const values = new Map();
  for (const line of text.split("\n")) {
    const found = /^([A-Za-z_:][\w:]*)(\{.*\})? (\S+)/.exec(line);
    if (!found) continue;
    const [, name, labels, value] = found;
    if (labels) values.set(name + labels, Number(value));
    values.set(name, (values.get(name) ?? 0) + Number(value));
  }
  return values;
}

// ---- Steps: remembered by device, and what they come to

const devices = new Map(); // number → { number, name, steps, chart }
let lastStep = -1;
let stepsTotal = 0; // as the server counts them

function device(number) {
  let known = devices.get(number);
  if (!known) {
    known = { number, name: "", steps: [], chart: null };
    devices.set(number, known);
  }
  return known;
}

function forgetSteps() {
  lastStep = -1;
  for (const known of devices.values()) known.steps = [];
}

async function readSteps() {
  for (let page = 0; page < MAX_STEP_PAGES; page++) {
    const reply = await ask("v1/weir/steps?after=" + lastStep);
    if (reply === null) return false;
    for (const step of reply.data) {
      device(step.device).steps.push(step);
      lastStep = Math.max(lastStep, step.number);
    }
    if (!reply.has_more) break;
  }
  for (const known of devices.values()) {
    known.steps.splice(0, known.steps.length - MAX_STEPS_PER_DEVICE);
  }
  return true;
}

/** The smallest value that a share of the sorted values does not exceed (nearest rank). */
function percentile(sorted, share) {
  return sorted.length ? sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] : NaN;
}

function recent(steps) {
  const since = steps.length ? steps[steps.length - 1].end_ms - WINDOW_MS : 0;
  let first = steps.length;
  while (first > 0 && steps[first - 1].end_ms >= since) first--;
  return steps.slice(first);
}

/** How far back the recent steps go: less than the window where they are too many to keep. */
function remembered(steps) {
  const all = steps.length < MAX_STEPS_PER_DEVICE;
  return all ? WINDOW_MS : Math.min(WINDOW_MS, steps[steps.length - 1].end_ms - steps[0].end_ms);
}

function summary(steps) {
  const decoding = steps.filter((s) => s.decode_rows > 0);
  const times = decoding.map((s) => s.ms).sort((a, b) => a - b);
  const mixed = decoding.filter((s) => s.prefill_tokens > 0 && s.predicted_decode_ms > 0);
  const sum = (list, of) => list.reduce((total, s) => total + of(s), 0);
  const errors = steps
    .filter((s) => s.predicted_ms > 0 && s.ms > 0)
    .map((s) => Math.abs(s.predicted_ms / s.ms - 1))
    .sort((a, b) => a - b);
  return {
    count: decoding.length,
    p50: percentile(times, 0.5),
    p95: percentile(times, 0.95),
    p99: percentile(times, 0.99),
    worst: percentile(times, 1),
    mixed: mixed.length,
    inflation: sum(mixed, (s) => s.ms) / sum(mixed, (s) => s.predicted_decode_ms),
    error: percentile(errors, 0.5),
  };
}

// ---- A device's timeline: a canvas with a column for each step

const LANES = [
  { name: "step time", height: 116 },
  { name: "prefill tokens per step", height: 40 },
  { name: "decode rows per step", height: 30 },
];
const LANE_TITLE = 17;
const LEFT = 54;
const COLUMN_MIN = 3;
const COLUMN_MAX = 9;
const CHART_HEIGHT = LANES.reduce((sum, lane) => sum + lane.height + LANE_TITLE, 2);

function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue("--" + name).trim();
  return Object.fromEntries(
    ["ink", "quiet", "line", "track", "decode", "mixed", "alone", "predicted"].map((n) => [n, of(n)]),
  );
}

/** The least round number that is not below. */
function roundUp(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10].map((f) => f * power).find((v) => v >= value * 0.999999);
}

class Timeline {
  constructor(number) {
    this.steps = [];
    this.shown = [];
    this.held = null; // number of the newest step shown while somebody looks at an older one
    this.cursor = null; // number of the step that is looked at
    this.canvas = element("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "slider");
    this.canvas.setAttribute("aria-label", "Steps of device " + number);
    this.canvas.style.height = CHART_HEIGHT + "px";
    this.reading = element("p", "reading");
    this.canvas.addEventListener("pointermove", (e) => this.point(e.offsetX));
    this.canvas.addEventListener("pointerleave", () => this.release());
    this.canvas.addEventListener("blur", () => this.release());
    this.canvas.addEventListener("keydown", (e) => this.key(e));
  }

  show(steps) {
    this.steps = steps;
    this.draw();
  }

  release() {
    this.cursor = null;
    this.held = null;
    this.draw();
  }

  look(index) {
    if (!this.shown.length) return;
    this.held ??= this.shown[this.shown.length - 1].number;
    this.cursor = this.shown[Math.max(0, Math.min(this.shown.length - 1, index))].number;
    this.draw();
  }

  point(x) {
    this.look(Math.floor((x - LEFT) / this.columnWidth));
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return; // the browser's own
    const last = this.shown.length - 1;
    const at = this.cursor === null ? last : this.shown.findIndex((s) => s.number === this.cursor);
    const moves = {
      ArrowLeft: at - 1,
      ArrowRight: at + 1,
      ArrowDown: at - 1,
      ArrowUp: at + 1,
      PageDown: at - 10,
      PageUp: at + 10,
      Home: 0,
      End: last,
    };
    if (event.key === "Escape") this.release();
    else if (event.key in moves) this.look(moves[event.key]);
    else return;
    event.preventDefault();
  }

  draw() {
    const width = this.canvas.clientWidth;
    if (!width) return;
    const room = Math.max(1, Math.floor((width - LEFT) / COLUMN_MIN));
    let upTo = this.steps;
    if (this.held !== null) {
      upTo = this.steps.filter((s) => s.number <= this.held);
      if (!upTo.some((s) => s.number === this.cursor)) {
        this.held = this.cursor = null; // it is forgotten by now
        upTo = this.steps;
      }
    }
    this.shown = upTo.slice(-room);
    this.columnWidth = Math.max(
      COLUMN_MIN,
      Math.min(COLUMN_MAX, Math.floor((width - LEFT) / Math.max(1, this.shown.length))),
    );
    const scale = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(CHART_HEIGHT * scale);
    const pen = this.canvas.getContext("2d");
    pen.scale(scale, scale);
    paint(pen, width, this.shown, this.columnWidth, this.cursor);
    this.tell();
  }

  tell() {
    const at =
      this.cursor === null
        ? this.shown.length - 1
        : this.shown.findIndex((s) => s.number === this.cursor);
    const step = this.shown[at];
    const text = step ? (this.cursor === null ? "Newest: " : "") + describe(step) : "";
    say(this.reading, text);
    this.canvas.setAttribute("aria-valuemin", this.shown[0]?.number ?? 0);
    this.canvas.setAttribute("aria-valuemax", this.shown[this.shown.length - 1]?.number ?? 0);
    this.canvas.setAttribute("aria-valuenow", step?.number ?? 0);
    this.canvas.setAttribute("aria-valuetext", text);
  }
}

function describe(step) {
  const parts = [
    "step " + count(step.number),
    millis(step.ms) + ", predicted " + millis(step.predicted_ms),
    plural(step.decode_rows, "decode row", "decode rows"),
  ];
  if (step.decode_rows > 0) parts.push("alone " + millis(step.predicted_decode_ms));
  if (step.prefill_tokens > 0) {
    parts.push(
      plural(step.prefill_tokens, "prefill token", "prefill tokens") +
        " of " + plural(step.prefills, "prompt", "prompts"),
    );
  }
  return parts.join(" · ");
}

/** The top of the time lane: all of it, unless a few outliers would flatten the rest. */
function timeTop(steps) {
  const times = steps.map((s) => s.ms).sort((a, b) => a - b);
  const worst = times[times.length - 1];
  const predicted = steps.reduce((most, s) => Math.max(most, s.predicted_ms), 0);
  const usual = Math.max(percentile(times, 0.9) * 2, predicted * 1.3);
  return roundUp(Math.min(worst, usual));
}

function paint(pen, width, steps, columnWidth, cursor) {
  const c = colours();
  pen.clearRect(0, 0, width, CHART_HEIGHT);
  pen.font = "11px " + getComputedStyle(document.body).fontFamily;
  pen.lineWidth = 1;
  const x = (i) => LEFT + i * columnWidth;
  const whole = (value) => Math.ceil(roundUp(value));
  const most = (of) => steps.reduce((top, s) => Math.max(top, of(s)), 0);
  const tops = steps.length
    ? [timeTop(steps), whole(most((s) => s.prefill_tokens)), whole(most((s) => s.decode_rows))]
    : [1, 1, 1];
  const at = steps.findIndex((s) => s.number === cursor);
  if (at >= 0) {
    pen.fillStyle = c.track;
    pen.fillRect(x(at) - 1, 0, columnWidth + 1, CHART_HEIGHT);
  }
  let y = 0;
  const floors = LANES.map((lane, i) => {
    y += lane.height + LANE_TITLE;
    grid(pen, c, width, lane, y, tops[i], i === 0);
    return y;
  });
  const up = (lane, value) => Math.min(1, value / tops[lane]) * LANES[lane].height;
  const column = (lane, i, value, colour) => {
    if (!(value > 0)) return;
    const height = Math.max(1, up(lane, value));
    pen.fillStyle = colour;
    pen.fillRect(x(i), floors[lane] - height, columnWidth - 1, height);
  };
  steps.forEach((step, i) => {
    if (i > 0 && step.end_ms - step.ms - steps[i - 1].end_ms > IDLE_MS) {
      pen.fillStyle = c.quiet; // the device was idle before this step
      for (let dot = LANE_TITLE; dot < floors[0]; dot += 4) pen.fillRect(x(i) - 1, dot, 1, 2);
    }
    pen.globalAlpha = 0.62; // the lines over it matter as much
    column(0, i, step.ms, step.prefill_tokens > 0 ? c.mixed : c.decode);
    pen.globalAlpha = 1;
    if (step.ms > tops[0] * 1.000001) {
      pen.fillStyle = c.ink; // cut off: it took longer than the lane is high
      pen.fillRect(x(i), floors[0] - LANES[0].height - 3, columnWidth - 1, 2);
    }
    column(1, i, step.prefill_tokens, c.mixed);
    column(2, i, step.decode_rows, c.decode);
  });
  const line = (of, colour, dash) => {
    pen.strokeStyle = colour;
    pen.lineWidth = 1.5;
    pen.setLineDash(dash);
    pen.beginPath();
    let down = false;
    steps.forEach((step, i) => {
      const value = of(step);
      if (!(value > 0)) {
        down = false;
        return;
      }
      const height = floors[0] - up(0, value);
      if (down) pen.lineTo(x(i), height);
      else pen.moveTo(x(i), height);
      pen.lineTo(x(i) + columnWidth, height);
      down = true;
    });
    pen.stroke();
    pen.setLineDash([]);
  };
  line((s) => (s.decode_rows > 0 ? s.predicted_decode_ms : 0), c.alone, [3, 2]);
  line((s) => s.predicted_ms, c.predicted, []);
}

/** 2.50 ms as 2.5 ms. */
function plain(text) {
  return text.replace(/(\.\d*?)0+ /, "$1 ").replace(". ", " ");
}

function grid(pen, c, width, lane, floor, top, isTime) {
  const marks = lane.height > 60 ? [0, 0.5, 1] : [0, 1];
  pen.fillStyle = c.quiet;
  pen.textBaseline = "alphabetic";
  pen.textAlign = "left";
  pen.fillText(lane.name, LEFT, floor - lane.height - 5);
  pen.textAlign = "right";
  for (const mark of marks) {
    const y = Math.round(floor - mark * lane.height) - 0.5;
    pen.strokeStyle = c.line;
    pen.beginPath();
    pen.moveTo(LEFT, y);
    pen.lineTo(width, y);
    pen.stroke();
    const value = mark * top;
    if (mark > 0) pen.fillText(isTime ? plain(millis(value)) : count(value), LEFT - 6, y + 4);
  }
}

const redraw = () => devices.forEach((known) => known.chart?.draw());
window.addEventListener("resize", redraw);
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

// ---- Showing it

function showModel(reply) {
  const model = reply?.data?.[0];
  if (!model) return;
  say(byId("model"), model.id);
  if (model.max_model_len) say(byId("context"), "context " + count(model.max_model_len) + " tokens");
  document.title = model.id + " – Weir";
}

const samples = []; // of counters, for rates

function rates(values, now) {
  const sample = {
    now,
    decode: values.get("weir_decode_tokens_total") ?? 0,
    prefill: values.get("weir_prefill_tokens_total") ?? 0,
  };
  samples.push(sample);
  while (samples.length > 2 && samples[0].now < now - RATE_MS) samples.shift();
  const seconds = (now - samples[0].now) / 1000;
  if (!(seconds > 0)) return { decode: NaN, prefill: NaN };
  return {
    decode: (sample.decode - samples[0].decode) / seconds,
    prefill: (sample.prefill - samples[0].prefill) / seconds,
  };
}

function showFigures(values, now) {
  const of = (name) => values.get("weir_" + name) ?? 0;
  const speed = rates(values, now);
  const perSecond = (n) => [Number.isFinite(n) ? rate(n) : "–", "tokens/s"];
  const all = summary([...devices.values()].flatMap((known) => recent(known.steps)));
  const missed = of("itl_target_missed_total");
  const age = of("heartbeat_age_seconds");
  const failed = of("choices_failed_total");
  const late = of("requests_timed_out_total");
  const figures = [
    ["Running", count(of("sequences_running")), plural(of("sequences_running"), "sequence", "sequences").replace(/^\S+ /, ""), count(of("sequences_waiting")) + " waiting"],
    ["Decode", ...perSecond(speed.decode), count(of("decode_tokens_total")) + " tokens in all"],
    ["Prefill", ...perSecond(speed.prefill), count(of("prefill_tokens_total")) + " tokens in all"],
    ["Inter-token latency", ...millis(all.p50).split(" "), "p50 · p99 " + millis(all.p99)],
    ["KV held", percent(of("kv_blocks_held"), of("kv_blocks")), "", "of " + count(of("kv_blocks")) + " blocks · " + count(of("kv_blocks_cached")) + " cached"],
    ["Prompt tokens reused", percent(of("cached_tokens_total"), of("prompt_tokens_total")), "", "of " + count(of("prompt_tokens_total")) + " tokens"],
    ["Latency target missed", count(missed), missed === 1 ? "step" : "steps", "of " + count(of("steps_total")) + " steps"],
    ["Requests", count(of("requests_total")), "", [[of("requests_rejected_total"), "refused"], [failed, "failed"], [late, "timed out"]].map(([n, what]) => count(n) + " " + what).join(" · ")],
  ];
  if (age > STUCK_SECONDS) {
    figures.unshift(["Step loop", "stuck", "", "no step ended for " + span(age * 1000)]);
  }
  keep(
    byId("figures"),
    figures,
    ([name]) => name,
    ([name]) => {
      const made = element("div");
      const value = element("dd", "value");
      value.append(element("span"), " ", element("small"));
      made.append(element("dt", "", name), value, element("dd", "note"));
      return made;
    },
    (made, [name, value, unit, note]) => {
      const [, dd, under] = made.children;
      say(dd.children[0], value);
      say(dd.children[1], unit ?? "");
      say(under, note);
      dd.classList.toggle("bad", name === "Step loop");
    },
  );
}

/** What the latency target is, where the server says it. */
function target(values) {
  const factor = values?.get("weir_itl_target_ratio");
  const seconds = values?.get("weir_itl_target_seconds");
  if (factor > 0) return { factor, text: "target " + factor.toFixed(2) + " ×" };
  if (seconds > 0) return { factor: NaN, text: "target " + millis(seconds * 1000) };
  return { factor: NaN, text: "" };
}

function showDevices(offered, values) {
  const list = [...devices.values()].sort((a, b) => a.number - b.number);
  const any = list.some((known) => known.steps.length);
  notice(
    "steps-notice",
    !offered ? "This server does not offer its steps." : any ? "" : "No step has been computed yet.",
  );
  const goal = target(values);
  keep(
    byId("devices"),
    list.filter((known) => known.steps.length),
    (known) => known.number,
    (known) => {
      const made = element("article", "device");
      known.chart = new Timeline(known.number);
      made.append(element("h3"), element("p", "facts"), known.chart.canvas, known.chart.reading);
      return made;
    },
    (made, known) => {
      const window = recent(known.steps);
      const s = summary(window);
      say(made.children[0], "Device " + known.number + (known.name ? " · " + known.name : ""));
      const facts = [
        ["inter-token latency p50", millis(s.p50)],
        ["p95", millis(s.p95)],
        ["p99", millis(s.p99)],
        ["worst", millis(s.worst)],
        [
          "mixed steps",
          s.mixed ? s.inflation.toFixed(2) + " ×" : "none",
          [s.mixed ? "of decode alone" : "", goal.text].filter(Boolean).join(", "),
          s.inflation > goal.factor * 1.05,
        ],
        ["prediction off by", Number.isFinite(s.error) ? percent(s.error, 1) : "–", "(median)"],
        ["over", plural(s.count, "step", "steps"), "of the last " + span(remembered(known.steps))],
      ];
      keep(
        made.children[1],
        facts,
        ([name]) => name,
        ([name]) => {
          const fact = element("span");
          fact.append(name + " ", element("b"), " ", element("span"));
          return fact;
        },
        (fact, [, value, note, bad]) => {
          say(fact.children[0], value);
          fact.children[0].classList.toggle("bad", Boolean(bad));
          say(fact.children[1], note ?? "");
        },
      );
      known.chart.show(known.steps);
    },
  );
}

const SHARD_COLUMNS = [
  ["shard", "", ""],
  ["KV blocks", "", "wide"],
  ["held", "held", ""],
  ["leased", "leased", ""],
  ["cached", "cached", ""],
  ["free", "free", ""],
  ["running", "", ""],
];

function showShards(reply, values) {
  const shards = reply?.data ?? [];
  notice("shards-notice", reply === null ? "This server does not offer its shards." : "");
  const groups = new Map();
  for (const shard of shards) {
    device(shard.device).name = shard.device_name;
    if (!groups.has(shard.device)) groups.set(shard.device, []);
    groups.get(shard.device).push(shard);
  }
  const lost = shards.filter((s) => !s.open).length;
  say(
    byId("shards-sum"),
    plural(shards.length, "shard", "shards") + " on " + plural(groups.size, "device", "devices") +
      (lost ? ", " + lost + " lost" : ""),
  );
  const parts = [...groups].flatMap(([number, members]) => [
    { key: "name " + number, number, name: members[0].device_name },
    { key: "shards " + number, number, members },
  ]);
  const hostBlocks = values?.get("weir_host_kv_blocks") ?? 0;
  if (hostBlocks > 0) {
    const cached = values.get("weir_host_kv_blocks_cached") ?? 0;
    parts.push({ key: "host", host: hostBlocks, cached });
  }
  keep(
    byId("shards"),
    parts,
    (part) => part.key,
    (part) => {
      if (part.members) return table("Shards of device " + part.number, SHARD_COLUMNS);
      const made = element(part.host ? "div" : "h3");
      if (part.host) made.append(element("h3"), bar(["host"]));
      return made;
    },
    (made, part) => {
      if (part.host) {
        const text = count(part.cached) + " of " + plural(part.host, "block", "blocks") + " used";
        say(made.children[0], "Host memory · " + text);
        fill(made.children[1], [part.cached], part.host, text);
      } else if (part.members) {
        keep(made.tBodies[0], part.members, (s) => s.shard, shardRow, updateShard);
      } else {
        say(made, "Device " + part.number + " · " + part.name);
      }
    },
  );
}

function shardRow() {
  const made = row(SHARD_COLUMNS);
  made.children[1].append(bar(["held", "leased", "cached"]));
  return made;
}

function updateShard(made, shard) {
  const cached = Math.max(0, shard.cached_blocks - shard.leased_blocks); // those without a lease
  const free = Math.max(0, shard.blocks - shard.held_blocks - shard.cached_blocks);
  const cells = made.children;
  made.classList.toggle("lost", !shard.open);
  say(cells[0], shard.shard + (shard.open ? "" : " lost"));
  fill(
    cells[1].firstChild,
    [shard.held_blocks, shard.leased_blocks, cached],
    shard.blocks,
    percent(shard.blocks - free, shard.blocks) + " of " + plural(shard.blocks, "block", "blocks") + " in use",
  );
  [shard.held_blocks, shard.leased_blocks, cached, free, shard.running].forEach((n, i) =>
    say(cells[2 + i], count(n)),
  );
}

const SESSION_COLUMNS = [
  ["session", "", ""],
  ["KV", "", "wide"],
  ["on the device", "held", ""],
  ["in host memory", "host", ""],
  ["evicted", "gone", ""],
  ["turns", "", ""],
  ["shard", "", ""],
  ["idle", "", ""],
  ["lease", "", ""],
];

function showSessions(reply) {
  const sessions = reply?.data ?? [];
  const total = reply?.total ?? sessions.length;
  notice(
    "sessions-notice",
    reply === null
      ? "This server does not offer its sessions."
      : sessions.length
        ? ""
        : "None yet. A request with a session_id begins one.",
  );
  say(
    byId("sessions-sum"),
    !sessions.length
      ? ""
      : total > sessions.length
        ? "the first " + sessions.length + " of " + count(total) + ", active ones first; KV in tokens"
        : count(total) + "; KV in tokens",
  );
  if (!byId("sessions").firstChild) byId("sessions").append(table("Sessions", SESSION_COLUMNS));
  const made = byId("sessions").firstChild;
  made.hidden = !sessions.length;
  keep(
    made.tBodies[0],
    sessions,
    (s) => s.id,
    () => {
      const fresh = row(SESSION_COLUMNS);
      fresh.children[0].append(element("span", "id"));
      fresh.children[1].append(bar(["held", "host"]));
      return fresh;
    },
    updateSession,
  );
}

function updateSession(made, session) {
  const cells = made.children;
  const kept = session.device_tokens + session.host_tokens;
  const evicted = Math.max(0, session.tokens - kept);
  const id = cells[0].firstChild;
  say(id, session.id);
  id.title = session.id;
  fill(
    cells[1].firstChild,
    [session.device_tokens, session.host_tokens],
    session.tokens,
    percent(kept, session.tokens) + " of " +
      plural(session.tokens, "token", "tokens") + " kept",
  );
  const active = session.active_requests > 0;
  [
    count(session.device_tokens),
    count(session.host_tokens),
    count(evicted),
    count(session.turns),
    session.shard === null ? "–" : String(session.shard),
    active ? plural(session.active_requests, "request", "requests") + " active" : span(session.idle_ms),
    active || kept === 0 ? "–" : session.lease_ms > 0 ? span(session.lease_ms) : "over",
  ].forEach((text, i) => say(cells[2 + i], text));
}

// ---- Asking again and again, while somebody can see it

let timer = 0;
let asking = false;
let failedSince = null; // a Date
let failures = 0;

function state(name, text) {
  document.body.dataset.state = name;
  say(byId("state"), text);
}

async function poll() {
  if (asking || document.hidden) return;
  asking = true;
  clearTimeout(timer);
  try {
    if (failedSince !== null || lastStep < 0) forgetSteps(); // it may be another server by now
    const [model, steps, shards, values, sessions] = await Promise.all([
      ask("v1/models"),
      readSteps(),
      ask("v1/weir/shards"),
      ask("metrics"),
      ask("v1/sessions?limit=" + MAX_SESSIONS),
    ]);
    const total = values?.get("weir_steps_total") ?? 0;
    if (total < stepsTotal) forgetSteps(); // it began anew since the last poll
    stepsTotal = total;
    showModel(model);
    showShards(shards, values);
    showDevices(steps, values);
    if (values) showFigures(values, performance.now());
    showSessions(sessions);
    failedSince = null;
    failures = 0;
    byId("alert").hidden = true;
    state("live", "live");
  } catch (failure) {
    if (!(failure instanceof Unanswered)) console.error(failure);
    const why = failure instanceof Unanswered ? failure.message : "its answer was not understood";
    failedSince ??= new Date();
    failures++;
    samples.length = 0;
    say(
      byId("alert"),
      "The server is not answering: " + why + ". Since " + failedSince.toLocaleTimeString("en-GB") +
        "; what is below is from before. Trying again every " + span(RETRY_MS) + ".",
    );
    byId("alert").hidden = false;
    state("unreachable", "unreachable");
  } finally {
    asking = false;
  }
  if (document.hidden) pause(); // since it asked
  else timer = setTimeout(poll, failures ? RETRY_MS : POLL_MS);
}

function pause() {
  clearTimeout(timer);
  samples.length = 0;
  state("paused", "paused while hidden");
}

document.addEventListener("visibilitychange", () => (document.hidden ? pause() : poll()));
say(byId("polling"), "Asked every " + span(POLL_MS) + " while this page can be seen.");
poll();
