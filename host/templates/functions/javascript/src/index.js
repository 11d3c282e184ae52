// The function `count-words` of `wit/component.wit`, which becomes the tool `count_words`.

// The exported interface `counting`. A thrown string is the error of the WIT result.
export const counting = {
  countWords(text) {
    const words = text.match(/\S+/g) ?? [];
    if (words.length === 0) throw "the text has no words";
    return { words: words.length, lines: text.split("\n").length, characters: [...words.join("")].length };
  },
};
