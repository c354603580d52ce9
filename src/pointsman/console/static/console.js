// What makes pages quicker to use. Everything here has a way without it: links, forms, whole pages.
"use strict";

// A text of a script in the language of the page, with values at its placeholders; the page brings what it has.
const say = (() => {
  const block = document.getElementById("texts");
  const texts = block ? JSON.parse(block.textContent) : {};
  return (text, values = {}) => (Object.hasOwn(texts, text) ? texts[text] : text).replace(
    /\{([a-z]+)\}/g,
    (whole, name) => (Object.hasOwn(values, name) ? String(values[name]) : whole),
  );
})();

(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));

  // Fields that matter only while another one has certain values.
  const valueOf = (form, name) => {
    const fields = all(`[name="${CSS.escape(name)}"]`, form);
    const box = fields.find((field) => field.type === "checkbox");
    if (box) {
      return String(box.checked);
    }
    const chosen = fields.find((field) => field.type !== "radio" || field.checked);
    return chosen ? chosen.value : null;
  };

  const matters = (form, field) => {
    const when = field.dataset.when;
    if (!when) {
      return true;
    }
    const near = valueOf(form, when);
    const value = near === null ? valueOf(document, when) : near;
    if (value === null) {
      return true;
    }
    const other = document.querySelector(`[data-field="${CSS.escape(when)}"]`);
    return field.dataset.values.split(" ").includes(value) && (!other || matters(form, other));
  };

  const showWhatMatters = (form) => {
    for (const field of all("[data-when]", form)) {
      field.hidden = !matters(form, field);
    }
    for (const list of all(".fields", form)) {
      const none = list.querySelector("[data-none-matters]");
      if (none) {
        none.hidden = all("[data-field]", list).some((field) => !field.hidden);
        const section = list.closest("details");
        if (section) {
          section.classList.toggle("idle", !none.hidden);
        }
      }
    }
  };

  // A phone shows part of the tabs, and of a tab's pages: the part with where one is.
  for (const here of all(".tabs [aria-current], .side [aria-current]")) {
    const strip = here.closest("nav");
    const beyond = here.getBoundingClientRect().right - strip.getBoundingClientRect().right;
    if (beyond > 0) {
      strip.scrollLeft += beyond + here.offsetWidth / 2;
    }
  }

  for (const form of all("form")) {
    if (form.querySelector("[data-when]")) {
      showWhatMatters(form);
    }
  }
  document.addEventListener("change", () => {
    for (const form of all("form")) {
      if (form.querySelector("[data-when]")) {
        showWhatMatters(form);
      }
    }
  });

  // What is wrong with a form, told beside its fields while it is filled in.
  const tell = (form, faults) => {
    for (const field of all("[data-field]", form)) {
      const text = faults[field.dataset.field] || "";
      const control = field.querySelector(".control");
      let shown = control.querySelector(":scope > .fault");
      if (text && !shown) {
        shown = document.createElement("span");
        shown.className = "fault";
        shown.id = "f-" + field.dataset.field.replaceAll(".", "-") + "-fault";
        control.append(shown);
      }
      if (shown) {
        shown.textContent = text;
        shown.hidden = !text;
      }
      const input = control.querySelector("input:not([type=hidden]), select, textarea");
      if (input) {
        input.toggleAttribute("aria-invalid", Boolean(text));
        if (text) {
          input.setAttribute("aria-invalid", "true");
          input.setAttribute("aria-errormessage", shown.id);
        }
      }
    }
  };

  for (const form of all("form[data-check]")) {
    let waiting = 0;
    let asked = 0;
    const check = async () => {
      asked += 1;
      const mine = asked;
      const answer = await fetch(form.dataset.check, {
        method: "POST",
        body: new URLSearchParams(new FormData(form)),
        redirect: "manual",
      }).catch(() => null);
      if (answer && answer.ok && mine === asked) {
        tell(form, await answer.json());
      }
    };
    form.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(check, 400);
    });
  }

  // Rows of tables, and entries of lists, as many as are needed.
  for (const button of all("[data-add-row]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const table = button.parentElement.querySelector("table[data-rows]");
      const name = table.dataset.rows;
      const last = table.querySelector("tbody tr:last-child");
      const row = last.cloneNode(true);
      const number = 1 + Math.max(...all(`input[name="${CSS.escape(name)}#"]`, table).map((mark) => Number(mark.value)));
      for (const field of all("input, select", row)) {
        if (field.name === name + "#") {
          field.value = String(number);
        } else {
          field.name = field.name.replace(/#\d+/, "#" + number);
          field.setAttribute("aria-label", (field.getAttribute("aria-label") || "").replace(/\d+$/, String(number + 1)));
        }
      }
      last.after(row);
      row.querySelector("input:not([type=hidden]), select").focus();
    });
  }

  // A new object that is based on another one: its fields are filled in when that is chosen.
  for (const field of all("[data-fill]")) {
    const button = field.form.querySelector("button[value=fill]");
    button.hidden = true;
    field.addEventListener("change", () => field.form.requestSubmit(button));
  }

  // The current page is in sight in lists that scroll sideways.
  for (const link of all(".tabs [aria-current], .side [aria-current]")) {
    const list = link.closest("nav");
    list.scrollLeft = Math.max(0, link.offsetLeft - list.offsetLeft - (list.clientWidth - link.offsetWidth) / 2);
  }

  for (const list of all("[data-sequence]")) {
    list.addEventListener("change", () => {
      const last = list.lastElementChild;
      if (last && last.querySelector("select").value) {
        const fresh = last.cloneNode(true);
        fresh.querySelector("select").value = "";
        last.after(fresh);
      }
    });
  }

  // Tables: sorted by a click on a heading, filtered as one types.
  const figure = (cell) => {
    const text = (cell.dataset.sort || cell.textContent).trim();
    const number = Number(text.replace(/[\u202f\s,]/g, ""));
    return text !== "" && !Number.isNaN(number) ? number : text.toLowerCase();
  };

  for (const table of all("table[data-sortable]")) {
    all("thead th", table).forEach((heading, column) => {
      if (!heading.textContent.trim()) {
        return;
      }
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => {
        const rising = heading.getAttribute("aria-sort") !== "ascending";
        all("thead th", table).forEach((other) => other.removeAttribute("aria-sort"));
        heading.setAttribute("aria-sort", rising ? "ascending" : "descending");
        const body = table.tBodies[0];
        const rows = Array.from(body.rows);
        rows.sort((one, other) => {
          const [a, b] = [figure(one.cells[column]), figure(other.cells[column])];
          const order = typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? -1 : 1;
          return rising ? order : -order;
        });
        body.append(...rows);
      });
    });
  }

  for (const input of all("input[data-filter]")) {
    const table = document.getElementById(input.dataset.filter);
    input.addEventListener("input", () => {
      const words = input.value.trim().toLowerCase();
      for (const kept of all("input[data-here]")) {
        const here = new URL(kept.value, location.href);
        here.searchParams.set(input.name, input.value);
        kept.value = here.pathname + here.search;
      }
      for (const row of all("tbody tr", table)) {
        row.hidden = !row.textContent.toLowerCase().includes(words);
      }
      // Tables in parts that unfold: only parts with something in them, and those open.
      for (const part of all("details", table)) {
        part.hidden = !part.querySelector("tbody tr:not([hidden])");
        part.open = words !== "" && !part.hidden;
      }
    });
  }

  // One box that ticks all of its form.
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-tick-all]")) {
      all("tbody input[type=checkbox][name=on]", event.target.closest("table")).forEach((box) => {
        box.checked = event.target.checked;
      });
    }
  });

  // Pause of a page that refreshes itself; what refreshes asks the button whether it is pressed.
  const pause = document.getElementById("live-pause");
  if (pause) {
    pause.addEventListener("click", () => {
      const paused = pause.getAttribute("aria-pressed") !== "true";
      pause.setAttribute("aria-pressed", String(paused));
      pause.querySelector("span").textContent = paused ? say("Resume") : say("Pause");
      const use = pause.querySelector("use");
      use.setAttribute("href", use.getAttribute("href").replace(/#.*/, paused ? "#play" : "#pause"));
    });
  }

  // What is copied with one click.
  for (const button of all("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.copy);
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = say("Copied");
    });
  }

  // Keys: Ctrl-K and / search, ? helps, g and a letter go to a tab, j and k walk over rows.
  const jumps = {h: "/", s: "/services", c: "/catalogs", d: "/diagnose", a: "/activity", y: "/system/traffic-managers"};
  let going = false;

  const walk = (step) => {
    const rows = all("main tbody tr").filter((row) => row.checkVisibility() && row.querySelector("a"));
    if (!rows.length) {
      return;
    }
    const focused = rows.findIndex((row) => row.contains(document.activeElement));
    const at = focused < 0 ? rows.findIndex((row) => "current" in row.dataset) : focused;
    const next = rows[Math.min(Math.max(at + step, 0), rows.length - 1)];
    rows.forEach((row) => delete row.dataset.current);
    next.dataset.current = "";
    next.querySelector("a").focus();
  };

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]");
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      openPalette();
      return;
    }
    if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) {
      return;
    }
    if (going) {
      going = false;
      if (jumps[event.key]) {
        location.assign(jumps[event.key]);
      }
      return;
    }
    switch (event.key) {
      case "/":
        event.preventDefault();
        openPalette();
        break;
      case "g":
        going = true;
        setTimeout(() => { going = false; }, 1500);
        break;
      case "j":
        walk(1);
        break;
      case "k":
        walk(-1);
        break;
      case "?":
        event.preventDefault();
        openPalette("keys");
        break;
      default:
    }
  });

  // The palette: the search page in a dialog.
  let palette = null;
  let asked = 0;

  const draw = async (list, words) => {
    asked += 1;
    const mine = asked;
    const answer = await fetch("/search/found?q=" + encodeURIComponent(words), {redirect: "manual"}).catch(() => null);
    const text = answer && answer.ok ? await answer.text() : null;
    // An answer that was overtaken is not what was asked for last.
    if (text === null || mine !== asked) {
      return;
    }
    const page = new DOMParser().parseFromString(text, "text/html");
    list.replaceChildren(...page.body.childNodes);
    const first = list.querySelector("a");
    if (first) {
      first.dataset.current = "";
    }
  };

  const closePalette = () => {
    palette.close();
    // The browser takes the focus from what is hidden a moment later, and keys would still be text until then.
    if (palette.contains(document.activeElement)) {
      document.activeElement.blur();
    }
  };

  const openPalette = (words = "") => {
    if (!palette) {
      palette = document.createElement("dialog");
      palette.className = "palette";
      palette.setAttribute("aria-label", say("Search"));
      const input = document.createElement("input");
      input.type = "search";
      input.setAttribute("aria-label", say("Search objects, settings and actions"));
      input.placeholder = say("Search objects, settings, actions");
      const list = document.createElement("div");
      list.className = "found";
      palette.append(input, list);
      document.body.append(palette);
      let waiting = 0;
      input.addEventListener("input", () => {
        clearTimeout(waiting);
        waiting = setTimeout(() => draw(list, input.value), 120);
      });
      palette.addEventListener("keydown", (event) => {
        const links = all("a", list);
        const at = links.findIndex((link) => "current" in link.dataset);
        const step = {ArrowDown: 1, ArrowUp: -1}[event.key];
        if (step && links.length) {
          event.preventDefault();
          links.forEach((link) => delete link.dataset.current);
          const next = links[(at + step + links.length) % links.length];
          next.dataset.current = "";
          next.scrollIntoView({block: "nearest"});
        }
        // A search field empties itself on the first Escape, which should close what it is in.
        if (event.key === "Escape") {
          event.preventDefault();
          closePalette();
        }
        if (event.key === "Enter" && links[at]) {
          event.preventDefault();
          links[at].click();
        }
      });
      palette.addEventListener("click", (event) => {
        if (event.target === palette) {
          closePalette();
        }
      });
    }
    const input = palette.querySelector("input");
    input.value = words;
    palette.showModal();
    draw(palette.querySelector(".found"), words);
  };

  for (const link of all("[data-palette]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      openPalette();
    });
  }

  // A form that was sent is not sent twice by a second click.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    // After a download one stays on the page.
    if (form.method === "dialog" || form.dataset.sent || "download" in form.dataset) {
      return;
    }
    setTimeout(() => {
      all("button", form).forEach((button) => { button.disabled = true; });
    });
    window.addEventListener("pageshow", () => {
      all("button", form).forEach((button) => { button.disabled = false; });
    }, {once: true});
  });
})();
