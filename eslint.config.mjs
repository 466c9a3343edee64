import pulumi from "@pulumi/eslint-plugin";
import tseslint from "typescript-eslint";

// A new kind of host is one file and a line in a table: whatever depends on the kind, its file says (components/hosts/host.ts).
const HOST = ":matches(Identifier[name='host'], MemberExpression[property.name='host'])";
const WORD = ":matches(Literal, TemplateLiteral)";
const message = "Ask the kind of host (kindOf, propertiesOf) instead of comparing its name.";
const ASKED_BY_NAME = [
  `BinaryExpression[operator=/^[!=]==?$/]:has(> ${HOST}):has(> ${WORD})`,
  `SwitchStatement:has(> ${HOST}.discriminant)`,
  `CallExpression[callee.property.name='includes'][callee.object.type='ArrayExpression']:has(> ${HOST}.arguments)`,
].map((selector) => ({ selector, message }));

export default tseslint.config(
  { ignores: ["node_modules/", "coverage/", "components/types/", "**/*.js", "**/*.cjs", "**/*.mjs"] },
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { "@pulumi": pulumi },
    rules: {
      // An Output in a template or an operator prints its own help text instead of its value.
      "@pulumi/no-output-in-template-literal": "error",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      // jest's own describe/it/expect typings trip these two without need.
      "@typescript-eslint/unbound-method": "off",
    },
  },
  {
    // What takes more is split into named parts, so that it reads as a table of contents.
    files: ["index.ts", "components/**/*.ts"],
    rules: { "max-lines-per-function": ["error", { max: 60, skipBlankLines: true, skipComments: true }] },
  },
  {
    files: ["index.ts", "components/**/*.ts", "scripts/**/*.ts"],
    ignores: ["components/hosts/**"],
    rules: { "no-restricted-syntax": ["error", ...ASKED_BY_NAME] },
  },
);
