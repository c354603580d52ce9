// The editor of rules: CodeMirror in the place of the text area, with the colours of TrafficScript, completions, the
// parameters of the call at the cursor, and the server's remarks as one types. Without it the text area does the work.
"use strict";

(() => {
  const place = document.querySelector("[data-rule-editor]");
  const cm = window.CodeMirror;
  if (!place || !cm) {
    return;
  }
  const area = place.querySelector("textarea");
  const form = area.form;
  const {tags} = cm;

  // The language, as far as colours need it.
  const keywords = new Set("as break case continue default do else false for foreach if import in nil print return sub switch true while".split(" "));
  const atoms = new Set(["true", "false", "nil"]);

  const inString = (stream, state) => {
    while (!stream.eol()) {
      const next = stream.next();
      if (next === "\\") {
        stream.next();
      } else if (next === state.quote) {
        state.quote = "";
        break;
      }
    }
    return "string";
  };

  const trafficscript = cm.StreamLanguage.define({
    name: "trafficscript",
    startState: () => ({quote: "", depth: 0}),
    token(stream, state) {
      if (state.quote) {
        return inString(stream, state);
      }
      if (stream.eatSpace()) {
        return null;
      }
      if (stream.match(/^#.*/)) {
        return "comment";
      }
      const quote = stream.match(/^["']/);
      if (quote) {
        state.quote = quote[0];
        return inString(stream, state);
      }
      if (stream.match(/^\$\w+/)) {
        return "variableName";
      }
      if (stream.match(/^(0x[\da-f]+|\d+(\.\d+)?(e[+-]?\d+)?)/i)) {
        return "number";
      }
      const word = stream.match(/^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*/);
      if (word) {
        if (atoms.has(word[0])) {
          return "atom";
        }
        return keywords.has(word[0]) ? "keyword" : "function";
      }
      const bracket = stream.match(/^[(){}[\]]/);
      if (bracket) {
        state.depth = Math.max(0, state.depth + ("({[".includes(bracket[0]) ? 1 : -1));
        return "bracket";
      }
      return stream.match(/^[-+*/%.=<>!~&|^?:]+/) ? "operator" : (stream.next(), null);
    },
    indent: (state, after, context) => state.quote ? null : Math.max(0, state.depth - (/^\s*[)}\]]/.test(after) ? 1 : 0)) * context.unit,
    tokenTable: {function: tags.standard(tags.variableName)},
    languageData: {commentTokens: {line: "#"}, indentOnInput: /^\s*[}\])]$/, closeBrackets: {brackets: ["(", "[", "{", "'", '"']}},
  });

  const colours = cm.HighlightStyle.define([
    {tag: tags.keyword, color: "var(--series-4)", fontWeight: "600"},
    {tag: tags.atom, color: "var(--series-4)"},
    {tag: tags.standard(tags.variableName), color: "var(--series-1)"},
    {tag: tags.variableName, color: "var(--series-2)"},
    {tag: tags.string, color: "var(--series-3)"},
    {tag: tags.number, color: "var(--series-5)"},
    {tag: tags.comment, color: "var(--quiet)", fontStyle: "italic"},
  ]);

  const look = {
    "&": {backgroundColor: "var(--surface)", color: "var(--text)", border: "1px solid var(--edge)", borderRadius: "6px", fontSize: "0.875rem", maxHeight: "70vh", minHeight: "18rem"},
    "&.cm-focused": {outline: "3px solid var(--accent)", outlineOffset: "1px"},
    ".cm-scroller": {fontFamily: "var(--mono)", lineHeight: "1.5", overflow: "auto", minHeight: "18rem"},
    ".cm-content": {caretColor: "var(--text)"},
    ".cm-cursor, .cm-dropCursor": {borderLeftColor: "var(--text)"},
    ".cm-gutters": {backgroundColor: "var(--raised)", color: "var(--quiet)", borderRight: "1px solid var(--line)"},
    ".cm-activeLine, .cm-activeLineGutter": {backgroundColor: "color-mix(in srgb, var(--accent) 8%, transparent)"},
    ".cm-selectionBackground, &.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground": {backgroundColor: "color-mix(in srgb, var(--accent) 28%, transparent)"},
    ".cm-matchingBracket, &.cm-focused .cm-matchingBracket": {backgroundColor: "var(--ok-ground)", outline: "1px solid var(--ok)"},
    ".cm-nonmatchingBracket, &.cm-focused .cm-nonmatchingBracket": {backgroundColor: "var(--error-ground)", outline: "1px solid var(--error)"},
    ".cm-searchMatch": {backgroundColor: "var(--warn-ground)", outline: "1px solid var(--warn)"},
    ".cm-panels": {backgroundColor: "var(--raised)", color: "var(--text)", borderColor: "var(--line)"},
    ".cm-textfield": {backgroundColor: "var(--surface)", color: "var(--text)", border: "1px solid var(--edge)"},
    ".cm-button": {backgroundImage: "none", backgroundColor: "var(--surface)", color: "var(--text)", border: "1px solid var(--edge)"},
    ".cm-tooltip": {backgroundColor: "var(--surface)", color: "var(--text)", border: "1px solid var(--edge)", maxWidth: "min(34rem, 90vw)"},
    ".cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]": {backgroundColor: "var(--accent)", color: "var(--accent-text)"},
    ".cm-completionInfo": {padding: "0.4rem 0.6rem"},
    ".cm-signature": {padding: "0.2rem 0.6rem", fontFamily: "var(--mono)", fontSize: "0.8125rem"},
    // The waves that come with the package are images in the style sheet, which the security policy refuses.
    ".cm-lintRange": {backgroundImage: "none"},
    ".cm-lintRange-error": {backgroundImage: "none", textDecoration: "underline wavy var(--error)", textUnderlineOffset: "0.2em"},
    ".cm-lintRange-warning": {backgroundImage: "none", textDecoration: "underline wavy var(--warn)", textUnderlineOffset: "0.2em"},
    ".cm-diagnostic-error": {borderLeftColor: "var(--error)"},
    ".cm-diagnostic-warning": {borderLeftColor: "var(--warn)"},
  };

  // Completions.
  let language = {keywords: [...keywords], functions: []};
  let byName = new Map();
  const fetched = fetch(place.dataset.language, {redirect: "manual"}).then((answer) => answer.ok ? answer.json() : null).then((found) => {
    if (found) {
      language = found;
      byName = new Map(found.functions.map((one) => [one.name.toLowerCase(), one]));
    }
  }).catch(() => null);

  const complete = async (context) => {
    const variable = context.matchBefore(/\$\w*/);
    const text = context.state.doc.toString();
    if (variable) {
      const names = new Set(text.match(/\$\w+/g) || []);
      names.delete(variable.text);
      return {from: variable.from, options: [...names].map((label) => ({label, type: "variable"})), validFor: /^\$\w*$/};
    }
    const word = context.matchBefore(/[A-Za-z_][\w.]*/);
    if (!word && !context.explicit) {
      return null;
    }
    await fetched;
    const own = [...text.matchAll(/\bsub\s+([\w.]+)/g)].map((found) => found[1]);
    const options = [
      ...language.functions.map((one) => ({
        label: one.name,
        type: "function",
        detail: one.signature.slice(one.name.length),
        info: one.meaning + (one.phases ? ". In: " + one.phases + "." : ""),
        apply: (view, completion, from, to) => {
          const follows = view.state.sliceDoc(to, to + 1) === "(";
          const insert = follows ? one.name : one.name + (one.parameters.length ? "( " : "()");
          view.dispatch({changes: {from, to, insert}, selection: {anchor: from + insert.length}, userEvent: "input.complete"});
        },
      })),
      ...language.keywords.map((label) => ({label, type: "keyword"})),
      ...own.map((label) => ({label, type: "function", detail: "of this rule"})),
    ];
    return {from: word ? word.from : context.pos, options, validFor: /^[\w.]*$/};
  };

  // The call around the cursor, with its parameter in strong letters.
  const callAt = (before) => {
    const open = [];
    let last = "";
    for (const [found] of before.matchAll(/"(?:[^"\\]|\\[^])*"?|'(?:[^'\\]|\\[^])*'?|#[^\n]*|[A-Za-z_][\w.]*|[^\s]/g)) {
      if ("([{".includes(found)) {
        open.push({name: found === "(" ? last : "", argument: 0});
      } else if (")]}".includes(found)) {
        open.pop();
      } else if (found === "," && open.length) {
        open[open.length - 1].argument += 1;
      }
      last = found;
    }
    return open[open.length - 1];
  };

  const signature = (state) => {
    const {head, empty} = state.selection.main;
    if (!empty) {
      return [];
    }
    const call = callAt(state.sliceDoc(Math.max(0, head - 2000), head));
    const known = call && byName.get(call.name.toLowerCase());
    if (!known) {
      return [];
    }
    return [{
      pos: head,
      above: true,
      create: () => {
        const dom = document.createElement("div");
        dom.className = "cm-signature";
        dom.append(known.name + "(");
        known.parameters.forEach((parameter, number) => {
          const part = document.createElement(number === Math.min(call.argument, known.parameters.length - 1) ? "strong" : "span");
          part.textContent = parameter;
          dom.append(number ? ", " : " ", part);
        });
        dom.append(known.parameters.length ? " )" : ")");
        return {dom};
      },
    }];
  };

  const signatures = cm.StateField.define({
    create: signature,
    update: (value, transaction) => transaction.docChanged || transaction.selection ? signature(transaction.state) : value,
    provide: (field) => cm.showTooltip.computeN([field], (state) => state.field(field)),
  });

  // The server's remarks, in the text and as a list below it.
  const list = place.querySelector("[data-faults]");

  const mark = (kind, word) => {
    const state = document.createElement("span");
    state.className = "state " + kind;
    const shape = document.createElement("span");
    shape.className = "mark " + kind;
    shape.setAttribute("aria-hidden", "true");
    state.append(shape, word);
    return state;
  };

  const tell = (faults, view) => {
    if (!faults.length) {
      const line = document.createElement("p");
      line.append(mark("ok", say("Nothing is wrong")), " " + say("as far as can be told without running it."));
      list.replaceChildren(line);
      return;
    }
    const items = document.createElement("ol");
    items.className = "faults";
    for (const fault of faults) {
      const item = document.createElement("li");
      const jump = document.createElement("button");
      jump.type = "button";
      jump.className = "plain small";
      jump.textContent = "line " + fault.line + ", column " + fault.column;
      jump.addEventListener("click", () => {
        view.dispatch({selection: {anchor: offset(view.state.doc, fault.line, fault.column)}, scrollIntoView: true});
        view.focus();
      });
      item.append(mark(fault.severity === "error" ? "error" : "warn", fault.severity === "error" ? "Error" : "Warning"), " ", jump, " ", fault.message);
      items.append(item);
    }
    list.replaceChildren(items);
  };

  const offset = (doc, line, column) => {
    const found = doc.line(Math.min(Math.max(line, 1), doc.lines));
    // The server counts characters, the editor UTF-16 units.
    const units = [...found.text].slice(0, column - 1).join("").length;
    return Math.min(found.from + units, found.to);
  };

  const remarks = async (view) => {
    const body = new URLSearchParams({csrf: form.elements.csrf.value, text: view.state.doc.toString()});
    const answer = await fetch(place.dataset.lint, {method: "POST", body, redirect: "manual"}).catch(() => null);
    if (!answer || !answer.ok) {
      return [];
    }
    const faults = await answer.json();
    tell(faults, view);
    return faults.map((fault) => {
      const from = offset(view.state.doc, fault.line, fault.column);
      const to = Math.max(from, offset(view.state.doc, fault.line, fault.end_column));
      return {from, to, severity: fault.severity, message: fault.message};
    });
  };

  const dark = () => {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };
  const theme = new cm.Compartment();
  const themed = () => cm.EditorView.theme(look, {dark: dark()});

  const host = document.createElement("div");
  const root = host.attachShadow({mode: "open"});
  area.after(host);
  const view = new cm.EditorView({
    doc: area.value,
    root,
    parent: root,
    extensions: [
      cm.basicSetup,
      cm.keymap.of([cm.indentWithTab, ...cm.lintKeymap]),
      cm.indentUnit.of("    "),
      trafficscript,
      trafficscript.data.of({autocomplete: complete}),
      cm.syntaxHighlighting(colours),
      signatures,
      theme.of(themed()),
      cm.EditorState.readOnly.of(area.readOnly),
      cm.EditorView.contentAttributes.of({"aria-label": "TrafficScript", spellcheck: "false"}),
      place.dataset.lint ? cm.linter(remarks, {delay: 350}) : [],
    ],
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    view.dispatch({effects: theme.reconfigure(themed())});
  });
  area.hidden = true;
  place.querySelector("[data-editor-help]").hidden = false;
  place.querySelector("label").addEventListener("click", (event) => {
    event.preventDefault();
    view.focus();
  });

  // What is sent is what the editor holds.
  form.addEventListener("submit", () => {
    area.value = view.state.doc.toString();
  }, true);
  let saved = view.state.doc;
  form.addEventListener("submit", () => { saved = null; });
  window.addEventListener("beforeunload", (event) => {
    if (saved && !view.state.doc.eq(saved)) {
      event.preventDefault();
    }
  });
  document.dispatchEvent(new Event("rule-editor"));
})();
