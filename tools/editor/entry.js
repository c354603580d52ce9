// What console/static/rule-editor.js needs of CodeMirror 6, as one global name. How to rebuild: README.md.
export {basicSetup} from "codemirror";
export {EditorState, Compartment} from "@codemirror/state";
export {EditorView, keymap, showTooltip, tooltips} from "@codemirror/view";
export {indentWithTab} from "@codemirror/commands";
export {HighlightStyle, StreamLanguage, syntaxHighlighting, indentUnit} from "@codemirror/language";
export {linter, lintKeymap, forceLinting, openLintPanel} from "@codemirror/lint";
export {search} from "@codemirror/search";
export {autocompletion, snippetCompletion} from "@codemirror/autocomplete";
export {tags} from "@lezer/highlight";
export {StateField} from "@codemirror/state";
