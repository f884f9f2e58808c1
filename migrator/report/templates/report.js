// The table of problem rows. Texts of others become text nodes and nothing else: the policy of the
// page forbids every other way.
"use strict";
(() => {
  const explorer = document.querySelector(".explorer");
  if (!explorer) return;

  // The order in which problems.py packs a row.
  const [ROW, REASON, BUCKET, KEY, MESSAGE, CODE, HTTP, SIZE, ENDED, VIDEO, ATTEMPTS, RESTARTS, SOURCE, VERSION] =
    Array(14).keys();
  const PAGE = 50;
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const [search, byReason, byBucket] = ["search", "by-reason", "by-bucket"].map(byId);
  const body = byId("rows");
  const state = { sort: "row", down: false, page: 0, found: data.rows };

  const number = new Intl.NumberFormat("en-US");
  const count = (n) => number.format(n);
  const words = (name) => (name[0].toUpperCase() + name.slice(1)).replaceAll("_", " ");
  const text = (list, place) => (place == null ? "" : data[list][place]);

  // As words.py spells texts in which something could hide.
  const HIDDEN =
    /[\p{Cc}\p{Cf}\p{Cn}\p{Co}\p{Cs}\p{Zl}\p{Zp}\p{Zs}\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufe00-\ufe0f\u{e0100}-\u{e01ef}]/gu;
  const spelled = (character) => {
    const code = character.codePointAt(0);
    if (code === 0x20) return character;
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    if (code === 0x7f) return "\u2421";
    const hex = code.toString(16);
    return code > 0xffff ? `\\U${hex.padStart(8, "0")}` : `\\u${hex.padStart(4, "0")}`;
  };
  const visible = (given) => {
    const core = given.replace(/^ +| +$/g, (blanks) => "\u2420".repeat(blanks.length));
    return core.replace(HIDDEN, spelled);
  };
  const UNITS = ["kB", "MB", "GB", "TB", "PB", "EB"];
  const size = (bytes) => {
    if (bytes == null) return "\u2014";
    if (bytes < 1000) return `${bytes} bytes`;
    let [value, step] = [bytes / 1000, 0];
    for (; value >= 999.5; step += 1) value /= 1000;
    return `${Number(value.toPrecision(3))} ${UNITS[step]}`;
  };
  const moment = (seconds) =>
    seconds == null ? "" : `${new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ")} UTC`;

  const element = (name, className, ...children) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    made.append(...children);
    return made;
  };
  const cell = (label, className, ...children) => {
    const made = element("td", className, ...children);
    made.dataset.label = label;
    return made;
  };

  // Where the browser gives a file no clipboard, the old way still works.
  const copyText = async (value) => {
    try {
      await navigator.clipboard.writeText(value);
    } catch {
      const area = element("textarea", "unseen");
      area.value = value;
      document.body.append(area);
      area.select();
      const copied = document.execCommand("copy");
      area.remove();
      if (!copied) throw new Error("no clipboard");
    }
  };
  const copyButton = (value, label) => {
    const button = element("button", "copy", "Copy");
    button.type = "button";
    button.setAttribute("aria-label", label);
    button.addEventListener("click", async () => {
      try {
        await copyText(value);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Not copied";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
    return button;
  };

  const reasonOf = (row) => data.reasons[row[REASON]];
  const answerOf = (row) =>
    [row[HTTP] == null ? "" : `HTTP ${row[HTTP]}`, text("codes", row[CODE])].filter(Boolean).join(" ");
  const saidOf = (row) => [answerOf(row), text("messages", row[MESSAGE])].filter(Boolean).join(": ");
  const advice = new Map(
    [...document.querySelectorAll(".todo > li")].map((item) => [
      item.querySelector("[data-reason]").dataset.reason,
      item.querySelector(".advice"),
    ]),
  );
  const adviceFor = (reason) => [...advice.get(reason).cloneNode(true).childNodes];

  const term = (name, ...children) => element("div", "", element("dt", "", name), element("dd", "", ...children));
  const detailsOf = (row) => {
    const list = element("dl", "details");
    const bucket = text("buckets", row[BUCKET]);
    list.append(term("What to do", ...adviceFor(reasonOf(row))));
    list.append(term("Object", element("bdi", "key", visible(`s3://${bucket}/${row[KEY] ?? ""}`))));
    if (row[VERSION]) list.append(term("Version", element("bdi", "id", visible(row[VERSION]))));
    if (saidOf(row)) list.append(term("Answered", element("bdi", "", visible(saidOf(row)))));
    if (row[SIZE] != null) list.append(term("Size", `${count(row[SIZE])} bytes`));
    if (row[ENDED] != null) list.append(term("Ended", moment(row[ENDED])));
    if (row[ATTEMPTS]) list.append(term("Sent", `${row[ATTEMPTS]} times; restarted ${row[RESTARTS] ?? 0} times`));
    if (row[VIDEO]) {
      list.append(
        term("Video", element("bdi", "id", visible(row[VIDEO])), " ",
          copyButton(row[VIDEO], `Copy the video id of row ${row[ROW]}`)),
      );
    }
    if (row[SOURCE] != null) list.append(term("From", element("bdi", "key", visible(text("sources", row[SOURCE])))));
    return list;
  };
  const toggle = (button, line, row) => {
    const opened = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!opened));
    if (opened) {
      line.nextElementSibling.remove();
      return;
    }
    const all = element("td", "", detailsOf(row));
    all.colSpan = 5;
    line.after(element("tr", "opened", all));
  };

  const lineOf = (row) => {
    const line = element("tr");
    const open = element("button", "open", String(row[ROW]));
    open.type = "button";
    open.setAttribute("aria-expanded", "false");
    open.setAttribute("aria-label", `Row ${row[ROW]}, details`);
    open.addEventListener("click", () => toggle(open, line, row));
    const head = element("th", "number", open);
    head.scope = "row";
    head.dataset.label = "Row";
    const object = cell("Object", "");
    const bucket = text("buckets", row[BUCKET]);
    if (bucket) object.append(element("bdi", "bucket", visible(bucket)));
    object.append(element("bdi", "key", visible(row[KEY] ?? "\u2014")));
    if (row[KEY]) object.append(copyButton(row[KEY], `Copy the key of row ${row[ROW]}`));
    if (row[VERSION]) object.append(element("br"), element("small", "", "version ", element("bdi", "id", visible(row[VERSION]))));
    const answer = cell("Answer", "");
    const message = text("messages", row[MESSAGE]);
    if (answerOf(row)) answer.append(element("bdi", "status", visible(answerOf(row))));
    answer.append(message ? element("bdi", "words", visible(message)) : answerOf(row) ? "" : "\u2014");
    line.append(head, object, cell("Reason", "", words(reasonOf(row))), cell("Size", "number", size(row[SIZE])), answer);
    return line;
  };

  const alike = (value) => value.normalize("NFC").toLowerCase();
  const haystacks = [];
  const haystack = (row, place) =>
    (haystacks[place] ??= alike(
      [row[ROW], text("buckets", row[BUCKET]), row[KEY], answerOf(row), text("messages", row[MESSAGE]), row[VIDEO]]
        .map((part) => part ?? "").join("\n"),
    ));
  const before = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  const ORDERS = {
    row: () => 0,
    object: (a, b) => before(text("buckets", a[BUCKET]), text("buckets", b[BUCKET])) || before(a[KEY] ?? "", b[KEY] ?? ""),
    reason: (a, b) => before(reasonOf(a), reasonOf(b)),
    size: (a, b) => (a[SIZE] ?? -1) - (b[SIZE] ?? -1),
    answer: (a, b) => before(saidOf(a), saidOf(b)),
  };

  const showPage = () => {
    const pages = Math.max(1, Math.ceil(state.found.length / PAGE));
    state.page = Math.min(pages - 1, Math.max(0, state.page));
    const first = state.page * PAGE;
    const rows = state.found.slice(first, first + PAGE);
    body.replaceChildren(...rows.map(lineOf));
    byId("where").textContent = rows.length
      ? `${count(first + 1)} to ${count(first + rows.length)} of ${count(state.found.length)}`
      : "";
    byId("previous").disabled = state.page === 0;
    byId("next").disabled = state.page === pages - 1;
  };
  const find = () => {
    const wanted = alike(search.value.trim());
    const reason = data.reasons.indexOf(byReason.value);
    const bucket = byBucket.value === "" ? -1 : Number(byBucket.value);
    state.found = data.rows.filter(
      (row, place) =>
        (reason < 0 || row[REASON] === reason) &&
        (bucket < 0 || row[BUCKET] === bucket) &&
        (!wanted || haystack(row, place).includes(wanted)),
    );
    const order = ORDERS[state.sort];
    const sign = state.down ? -1 : 1;
    state.found.sort((a, b) => sign * (order(a, b) || a[ROW] - b[ROW]));
    state.page = 0;
    byId("found").textContent =
      state.found.length === data.rows.length
        ? `${count(data.rows.length)} rows`
        : `${count(state.found.length)} of ${count(data.rows.length)} rows`;
    const said = byId("what-to-do");
    said.hidden = reason < 0;
    said.replaceChildren(...(reason < 0 ? [] : adviceFor(byReason.value)));
    showPage();
  };

  const headings = [...document.querySelectorAll("[data-sort]")];
  const showOrder = () => {
    for (const button of headings) {
      const sorted = button.dataset.sort === state.sort;
      const way = state.down ? "descending" : "ascending";
      if (sorted) button.parentElement.setAttribute("aria-sort", way);
      else button.parentElement.removeAttribute("aria-sort");
    }
  };
  for (const button of headings) {
    button.addEventListener("click", () => {
      const again = state.sort === button.dataset.sort;
      // The largest first: who sorts by size looks for those.
      state.down = again ? !state.down : button.dataset.sort === "size";
      state.sort = button.dataset.sort;
      showOrder();
      find();
    });
  }

  data.buckets
    .map((bucket, place) => [bucket, place])
    .sort((a, b) => before(a[0], b[0]))
    .forEach(([bucket, place]) => byBucket.append(new Option(visible(bucket), String(place))));
  let waiting = 0;
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(find, 120);
  });
  byReason.addEventListener("change", find);
  byBucket.addEventListener("change", find);
  const form = document.querySelector(".filters");
  form.addEventListener("submit", (event) => { event.preventDefault(); find(); });
  form.addEventListener("reset", () => setTimeout(find));
  const turn = (by) => {
    state.page += by;
    showPage();
    byId("found").scrollIntoView({ block: "start" });
  };
  byId("previous").addEventListener("click", () => turn(-1));
  byId("next").addEventListener("click", () => turn(1));
  for (const link of document.querySelectorAll("a[data-reason]")) {
    link.addEventListener("click", () => {
      form.reset();
      byReason.value = link.dataset.reason;
      setTimeout(find);
    });
  }
  explorer.hidden = false;
  showOrder();
  find();
})();
