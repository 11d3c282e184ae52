// Markdown as elements. The text is parsed to tokens and these become elements of this page, one kind at a time: no HTML
// of an author is ever parsed, and HTML in Markdown is shown as text.

import { Lexer, type Token, type Tokens } from "marked";
import type { ComponentChildren } from "preact";

import { resourceHash } from "./routes";

/** Longer texts are shown as they are. */
const MAX_MARKDOWN_CHARACTERS = 100_000;
/** Delimiters in one block of this size, above which the text is shown as it is: the parser's time grows with their square. */
const MAX_DELIMITERS = 500;
const LARGE_BLOCK_CHARACTERS = 4_000;
/** Depth of nested tokens. */
const MAX_DEPTH = 24;

/** A text as Markdown. Lines are joined to paragraphs, unless its author cannot have wrapped them for their length. */
export function Markdown({ text, keepsBreaks = false }: { text: string; keepsBreaks?: boolean }) {
  if (text.length > MAX_MARKDOWN_CHARACTERS || text.split(/\n\s*\n/).some(isExpensive)) return <pre class="text">{text}</pre>;
  let tokens: Token[];
  try {
    tokens = new Lexer({ gfm: true, breaks: keepsBreaks }).lex(text);
  } catch {
    return <pre class="text">{text}</pre>;
  }
  return <div class="markdown">{elements(tokens, 0)}</div>;
}

function isExpensive(block: string): boolean {
  return block.length > LARGE_BLOCK_CHARACTERS && (block.match(/[*_~`[\]<!|>]/g)?.length ?? 0) > MAX_DELIMITERS;
}

/** Returns whether a text is probably Markdown. */
export function isMarkdown(text: string): boolean {
  return /^(#{1,6} |```|> |[-*] \S|\d+\. \S|\|.+\|)/m.test(text) || /\*\*\S[^*]*\*\*|\[[^\]\n]+\]\([^)\s]+\)|`[^`\n]+`/.test(text);
}

function elements(tokens: Token[] | undefined, depth: number): ComponentChildren {
  if (depth > MAX_DEPTH) return tokens?.map((token) => token.raw).join("");
  return tokens?.map((token, index) => <Element key={index} token={token} depth={depth + 1} />);
}

function Element({ token, depth }: { token: Token; depth: number }) {
  const inner = () => elements("tokens" in token ? token.tokens : undefined, depth);
  switch (token.type) {
    case "space":
    case "def":
      return null;
    case "heading": {
      // Below the headings of the page itself.
      const level = Math.min(6, (token as Tokens.Heading).depth + 2);
      const Heading = `h${level}` as "h3";
      return <Heading>{inner()}</Heading>;
    }
    case "paragraph":
      return <p>{inner()}</p>;
    case "blockquote":
      return <blockquote>{inner()}</blockquote>;
    case "code":
      return <pre><code>{(token as Tokens.Code).text}</code></pre>;
    case "hr":
      return <hr />;
    case "list":
      return <ListElement token={token as Tokens.List} depth={depth} />;
    case "table":
      return <TableElement token={token as Tokens.Table} depth={depth} />;
    case "strong":
      return <strong>{inner()}</strong>;
    case "em":
      return <em>{inner()}</em>;
    case "del":
      return <del>{inner()}</del>;
    case "codespan":
      return <code>{(token as Tokens.Codespan).text}</code>;
    case "br":
      return <br />;
    case "link":
      return <Link href={(token as Tokens.Link).href}>{inner()}</Link>;
    case "image":
      return <Image token={token as Tokens.Image} />;
    case "text":
    case "escape":
      return <>{"tokens" in token && token.tokens ? inner() : plain((token as Tokens.Text).text)}</>;
    default:
      // HTML, and whatever a later version of the parser finds.
      return <>{token.raw}</>;
  }
}

/** The entities that authors write in Markdown, which are all that a text has of HTML. */
function plain(text: string): string {
  const entities: Record<string, string> = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'", "&nbsp;": "\u00a0" };
  return text.replace(/&(?:amp|lt|gt|quot|#39|nbsp);/g, (entity) => entities[entity] ?? entity);
}

function ListElement({ token, depth }: { token: Tokens.List; depth: number }) {
  const items = token.items.map((item, index) => (
    <li key={index}>
      {item.task && <input type="checkbox" disabled checked={item.checked === true} />}
      {elements(item.tokens.filter((token) => token.type !== "checkbox"), depth)}
    </li>
  ));
  return token.ordered ? <ol start={Number(token.start) || 1}>{items}</ol> : <ul>{items}</ul>;
}

function TableElement({ token, depth }: { token: Tokens.Table; depth: number }) {
  return (
    <div class="scroll">
      <table>
        <thead>
          <tr>{token.header.map((cell, index) => <th key={index}>{elements(cell.tokens, depth)}</th>)}</tr>
        </thead>
        <tbody>
          {token.rows.map((row, index) => (
            <tr key={index}>{row.map((cell, index) => <td key={index}>{elements(cell.tokens, depth)}</td>)}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A link that leaves the page, if it leads to the web, or to a resource of the server; else only its text. */
export function Link({ href, children }: { href: string; children: ComponentChildren }) {
  const target = webUrl(href);
  if (target === undefined && /^[a-z][a-z0-9+.-]*:\/\//i.test(href)) return <a href={resourceHash(href)}>{children}</a>;
  if (target === undefined) return <>{children}</>;
  return (
    <a href={target} target="_blank" rel="noopener noreferrer nofollow" title={target}>
      {children}
    </a>
  );
}

/** Returns the URL if it is one of the web or of mail. A relative one would lead into this server. */
export function webUrl(href: string): string | undefined {
  try {
    const url = new URL(href);
    return ["https:", "http:", "mailto:"].includes(url.protocol) ? url.href : undefined;
  } catch {
    return undefined;
  }
}

/** A picture in the text itself; one of another server is not fetched, but linked. */
function Image({ token }: { token: Tokens.Image }) {
  if (/^data:image\/(png|jpeg|gif|webp|avif|svg\+xml)[;,]/i.test(token.href)) return <img src={token.href} alt={token.text} />;
  return <Link href={token.href}>{token.text || token.href}</Link>;
}
