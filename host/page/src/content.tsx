// The contents of a result: text, Markdown, pictures, audio, links and files. Nothing of it is fetched from elsewhere, and
// nothing becomes a document or a script: a picture, SVG included, is only ever the source of an `img`.

import { useEffect, useState } from "preact/hooks";

import { Data } from "./data";
import { Link, Markdown, isMarkdown, webUrl } from "./markdown";
import { isObject, text, type Json, type JsonObject } from "./protocol";
import { resourceHash } from "./routes";

/** Characters of a text that are shown at first. */
const MAX_SHOWN_CHARACTERS = 100_000;

export function Content({ block }: { block: JsonObject }) {
  const [data, mimeType] = [text(block["data"]), text(block["mimeType"])];
  switch (block["type"]) {
    case "text":
      return <TextContent value={text(block["text"])} />;
    case "image":
      return <Media data={data} mimeType={mimeType} />;
    case "audio":
      return <Media data={data} mimeType={mimeType} />;
    case "resource_link":
      return <ResourceLink link={block} />;
    case "resource":
      return isObject(block["resource"]) ? <ResourceContents contents={block["resource"]} /> : null;
    default:
      // Parts of a prompt nest their content.
      return <Data value={block} />;
  }
}

/** A text: JSON as data, Markdown as elements, or as it is. */
export function TextContent({ value, mimeType = "" }: { value: string; mimeType?: string }) {
  const parsed = json(value);
  const isRich = parsed !== undefined || mimeType === "text/markdown" || (mimeType === "" && isMarkdown(value));
  const [isPlain, setPlain] = useState(false);
  const [shown, setShown] = useState(MAX_SHOWN_CHARACTERS);
  return (
    <div class="content">
      {isRich && (
        <button type="button" class="small corner" aria-pressed={isPlain} onClick={() => setPlain(!isPlain)}>
          {isPlain ? "Formatted" : "Plain text"}
        </button>
      )}
      {!isRich || isPlain ? (
        <pre class="text">{value.length > shown ? value.slice(0, shown) : value}</pre>
      ) : parsed !== undefined ? (
        <Data value={parsed} />
      ) : (
        <Markdown text={value} />
      )}
      {value.length > shown && (!isRich || isPlain) && (
        <button type="button" class="small" onClick={() => setShown(value.length)}>Show all {value.length} characters</button>
      )}
    </div>
  );
}

function json(value: string): Json | undefined {
  if (!/^\s*[[{]/.test(value)) return undefined;
  try {
    return JSON.parse(value) as Json;
  } catch {
    return undefined;
  }
}

function Media({ data, mimeType, name }: { data: string; mimeType: string; name?: string }) {
  const type = /^(image|audio|video)\/[\w.+-]+(;\s*[\w.+-]+=[\w.+-]+)*$/i.exec(mimeType)?.[1]?.toLowerCase();
  const isBase64 = /^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(data);
  if (!isBase64) return <p class="problem">The tool returned data that is not base64.</p>;
  const source = `data:${mimeType};base64,${data}`;
  return (
    <figure>
      {type === "image" && <img src={source} alt={`Picture of the result, ${mimeType}`} />}
      {type === "audio" && <audio controls src={source} />}
      {type === "video" && <video controls src={source} />}
      <figcaption><Download data={data} mimeType={mimeType} name={name} /></figcaption>
    </figure>
  );
}

/** A link that saves bytes. Their type is never one that a browser opens. */
function Download({ data, mimeType, name }: { data: string; mimeType: string; name?: string | undefined }) {
  const [url, setUrl] = useState("");
  const [size, setSize] = useState(0);
  useEffect(() => {
    let binary: string;
    try {
      binary = atob(data);
    } catch {
      return undefined;
    }
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    setSize(bytes.length);
    const created = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
    setUrl(created);
    return () => URL.revokeObjectURL(created);
  }, [data]);
  const subtype = /\/(?:x-)?([\w]+)/.exec(mimeType)?.[1] ?? "bin";
  const fileName = name?.replace(/[^\w.-]+/g, "_").slice(-100) || `result.${subtype}`;
  return (
    <span class="quiet">
      {url !== "" && <a href={url} download={fileName}>Save</a>} {mimeType || "bytes"}, {size.toLocaleString("en")} bytes
    </span>
  );
}

/** The contents of a resource: a text or bytes. */
export function ResourceContents({ contents }: { contents: JsonObject }) {
  const uri = text(contents["uri"]);
  const mimeType = text(contents["mimeType"]);
  return (
    <div class="resource">
      <p class="caption"><code><bdi>{uri}</bdi></code>{mimeType && ` ${mimeType}`}</p>
      {typeof contents["blob"] === "string" ? (
        <Media data={contents["blob"]} mimeType={mimeType} name={uri.split("/").pop()} />
      ) : (
        <TextContent value={text(contents["text"])} mimeType={mimeType === "" ? "text/plain" : mimeType} />
      )}
    </div>
  );
}

function ResourceLink({ link }: { link: JsonObject }) {
  const uri = text(link["uri"]);
  return (
    <div class="resource">
      <p>
        <bdi>{text(link["title"]) || text(link["name"]) || uri}</bdi>{" "}
        <span class="quiet">{text(link["mimeType"])}</span>
      </p>
      {text(link["description"]) && <p class="quiet">{text(link["description"])}</p>}
      <p>
        <code><bdi>{uri}</bdi></code> <a href={resourceHash(uri)}>Read</a>
        {webUrl(uri) !== undefined && <> <Link href={uri}>Open in a new tab</Link></>}
      </p>
    </div>
  );
}
